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
def perturbation_effect(
    data: AnnData | MuData,
    *,
    active: bool | None = None,
    key: str = Key.uns.PERTURBATION_EFFECT,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the distance of the cells of each perturbation from the control cells.

    Parameters
    ----------
    %(data)s
    active
        Whether to return the perturbations with an effect, or those without; all if `None`.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.perturbation_effect`.
    %(mod)s

    Returns
    -------
    One row per perturbation, with `perturbation`, `n_cells`, `distance`, `score`, `pval`, `pval_adj` and `active`, and
    with guides `n_guides`, `pval_cells` and `pval_guides`. Active ones come first, sorted by p-value and score.

    Raises
    ------
    %(result_KeyError)s
    """
    results = read_result(resolve_modality(data, mod), key, tool=Key.uns.PERTURBATION_EFFECT, part="results")["results"]
    chosen = results if active is None else results[results["active"] == active]
    return chosen.reset_index(drop=True)
