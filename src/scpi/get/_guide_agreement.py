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
        Whether to return one row per guide instead of one per perturbation.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.guide_agreement`.
    %(mod)s

    Returns
    -------
    One row per perturbation, with `perturbation`, `n_guides`, `n_agreeing`, `similarity` and `agree`. Or one row per
    guide, with `perturbation`, `guide`, `n_cells`, `strength`, `similarity`, `score`, `pval`, `pval_adj` and `agrees`.

    Raises
    ------
    %(result_KeyError)s
    """
    part = "guides" if per_guide else "results"
    return read_result(resolve_modality(data, mod), key, tool=Key.uns.GUIDE_AGREEMENT, part=part)[part].reset_index(
        drop=True
    )
