"""Gene sets, and neighbourhoods in a network, as features of the genes in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._features._rows import find_rows, unit_rows
from scpi._gene_sets import match_gene_sets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from scpi._gene_sets._match import Case


def weigh_sets(membership: Any, sizes: NDArray[np.int64], n_genes: int) -> Any:
    """Membership, perturbations x sets, with what a set tells of its genes: the logarithm of 1 + genes per member."""
    return unit_rows(sparse.csr_matrix(membership, dtype=np.float64) @ sparse.diags(np.log1p(n_genes / sizes)))


def features_of_sets(
    ids: Sequence[str], sets: Mapping[str, Sequence[str]], *, min_size: int, max_size: int | None, case: Case
) -> tuple[Any, list[str]]:
    """Weighted membership of perturbed genes in sets of a size within limits, and the names of the sets.

    The size of a set is the number of all of its genes, perturbed or not. Sets without a perturbed gene are left out.
    """
    n_genes = len({gene for genes in sets.values() for gene in genes})
    most = np.inf if max_size is None else max_size
    kept = {name: genes for name, genes in sets.items() if min_size <= len(genes) <= most}
    if not kept:
        sizes = [len(genes) for genes in sets.values()]
        msg = (
            f"None of the {len(sets)} gene sets has from min_size={min_size} to max_size={max_size} genes: they have "
            f"{min(sizes)} to {max(sizes)}."
        )
        raise ValueError(msg)
    found = match_gene_sets(ids, kept, min_size=1, case=case)
    return weigh_sets(found.membership, found.total_sizes, n_genes), found.names.tolist()


def features_of_edges(ids: Sequence[str], edges: pd.DataFrame, *, case: Case) -> tuple[Any, list[str]]:
    """Weighted neighbours of perturbed genes in an undirected network, each node among its own, and the names of nodes.

    ``edges`` has the two nodes of each edge in its first two columns, and its weight in a third, if there is one.
    """
    if edges.shape[1] < 2 or not len(edges):
        msg = f"An edge list needs two columns, and a third for weights, and one row or more, but has shape {edges.shape}."
        raise ValueError(msg)
    nodes, ends = np.unique(edges.iloc[:, :2].astype(str).to_numpy(), return_inverse=True)
    ends = ends.reshape(-1, 2)
    weight = np.ones(len(edges))
    if edges.shape[1] > 2:
        weight = pd.to_numeric(edges.iloc[:, 2], errors="coerce").to_numpy(dtype=np.float64)
        if not (np.isfinite(weight) & (weight >= 0)).all():
            msg = f"The weights of edges, column {edges.columns[2]!r}, must be finite numbers of at least 0."
            raise ValueError(msg)
    # An edge that is there in both directions counts by the larger weight
    table = sparse.csr_matrix((weight, (ends[:, 0], ends[:, 1])), shape=(len(nodes), len(nodes)))
    network = sparse.csr_matrix(table.maximum(table.T))
    network.setdiag(max(float(weight.max()), 1e-12))
    degree = np.diff(network.indptr)
    rows = find_rows(ids, nodes.tolist(), case=case, what="the edge list")
    place = sparse.csr_matrix(
        (np.ones((rows >= 0).sum()), (np.flatnonzero(rows >= 0), rows[rows >= 0])), shape=(len(ids), len(nodes))
    )
    used = place @ network
    columns = np.flatnonzero(np.asarray(used.getnnz(axis=0)) > 0)
    return weigh_sets(used[:, columns], degree[columns], len(nodes)), nodes[columns].tolist()
