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
def causal_graph(
    data: AnnData | MuData,
    *,
    threshold: float | None = None,
    top_n: int | None = None,
    min_stability: float | None = None,
    key: str = Key.uns.CAUSAL_GRAPH,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the edges between the causal factors, the strongest first.

    Parameters
    ----------
    %(data)s
    threshold
        Minimum absolute weight of the edges; all if `None`.
    top_n
        Maximum number of edges, those with the largest absolute weights; all if `None`.
    min_stability
        Minimum fraction of the halves of the cells in which an edge was reproduced; all if `None`.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.causal_graph`.
    %(mod)s

    Returns
    -------
    One row per edge, with the columns `source`, `target`, `weight` and, unless it was computed with `n_draws=0`,
    `stability`.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If `min_stability` is given and the edges have no stability.
    """
    edges = read_result(resolve_modality(data, mod), key, tool=Key.uns.CAUSAL_GRAPH, part="edges")["edges"]
    size = edges["weight"].abs()
    edges = edges.loc[size.sort_values(ascending=False, kind="stable").index]
    if threshold is not None:
        edges = edges[edges["weight"].abs() >= threshold]
    if min_stability is not None:
        if "stability" not in edges:
            msg = "The edges have no stability: run `scpi.tl.causal_graph` with `n_draws` above 0."
            raise ValueError(msg)
        edges = edges[edges["stability"] >= min_stability]
    if top_n is not None:
        edges = edges.head(top_n)
    return edges.reset_index(drop=True)
