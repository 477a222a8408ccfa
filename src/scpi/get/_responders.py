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
def responders(data: AnnData | MuData, *, key: str = Key.uns.RESPONDERS, mod: str | None = None) -> pd.DataFrame:
    """List the fraction of responding cells of each perturbation.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` written by :func:`scpi.tl.responders`.
    %(mod)s

    Returns
    -------
    One row per perturbation, the largest fraction first, with `perturbation`, `n_cells`, `fraction`, `fraction_low`,
    `fraction_high`, `n_responders`, `shift` and `evidence`.

    Raises
    ------
    %(result_KeyError)s
    """
    results = read_result(resolve_modality(data, mod), key, tool=Key.uns.RESPONDERS, part="results")["results"]
    return results.sort_values("fraction", ascending=False, kind="stable").reset_index(drop=True)
