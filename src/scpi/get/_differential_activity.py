from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed, read_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@fill
def differential_activity(
    data: AnnData | MuData,
    *,
    group: str | Sequence[str] | None = None,
    pval_cutoff: float | None = None,
    top_n: int | None = None,
    key: str = Key.uns.DIFFERENTIAL_ACTIVITY,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the tests of gene-set activity of each perturbation against the control.

    Parameters
    ----------
    %(data)s
    group
        Perturbation or perturbations to return; all if `None`.
    pval_cutoff
        Maximum adjusted p-value of the sets.
    top_n
        Maximum number of sets per group, the best first.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.differential_activity`.
    %(mod)s

    Returns
    -------
    One row per group and set, with the columns `group`, `set`, `effect`, `score`, `pval`, `log10_pval`, `pval_adj` and
    `rank`, sorted by group and rank.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If a group was not tested.
    """
    results = read_result(resolve_modality(data, mod), key, tool=Key.uns.DIFFERENTIAL_ACTIVITY, part="results")[
        "results"
    ]
    chosen = results["rank"] > 0
    if group is not None:
        groups = [group] if isinstance(group, str) else list(group)
        tested = results["group"].unique()
        unknown = [label for label in groups if label not in set(tested)]
        if unknown:
            msg = f"These groups were not tested: {listed(unknown)}. Tested were {listed(tested)}."
            raise ValueError(msg)
        chosen &= results["group"].isin(groups)
    if pval_cutoff is not None:
        chosen &= results["pval_adj"] <= pval_cutoff
    if top_n is not None:
        chosen &= results["rank"] <= top_n
    return results[chosen].reset_index(drop=True)
