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
def intervention_targets(
    data: AnnData | MuData, *, key: str = Key.uns.CAUSAL_GRAPH, mod: str | None = None
) -> pd.DataFrame:
    """List the causal factor that each perturbation acts on.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` written by :func:`scpi.tl.causal_graph`.
    %(mod)s

    Returns
    -------
    One row per perturbation, with the columns `perturbation`, `factor` (the most probable one), `probability`,
    `strength` (of the shift) and `entropy` (of the assignment, as a fraction of the maximum; zero if the assignment is
    certain).

    Raises
    ------
    %(result_KeyError)s
    """
    stored = read_result(resolve_modality(data, mod), key, tool=Key.uns.CAUSAL_GRAPH, part="targets")
    return stored["targets"].reset_index(drop=True)
