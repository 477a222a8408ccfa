from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@fill
def guide_agreement(
    data: AnnData | MuData, *, per_guide: bool = False, key: str = Key.uns.GUIDE_AGREEMENT, mod: str | None = None
) -> pd.DataFrame:
    """List whether the guides of each perturbation agree.

    Parameters
    ----------
    %(data)s
    per_guide
        Return one row for each guide, not for each perturbation.
    key
        Entry of `adata.uns` that :func:`scpi.tl.guide_agreement` wrote.
    %(mod)s

    Returns
    -------
    One row for each perturbation: `perturbation`, `n_guides`, `n_agreeing`, `similarity` and `agree`; or for each guide:
    `perturbation`, `guide`, `n_cells`, `strength`, `similarity`, `score`, `pval`, `pval_adj` and `agrees`.

    Raises
    ------
    %(result_KeyError)s
    """
    part = "guides" if per_guide else "results"
    return read_result(resolve_modality(data, mod), key, tool=Key.uns.GUIDE_AGREEMENT, part=part)[part].reset_index(
        drop=True
    )
