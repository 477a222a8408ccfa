"""Recovery of a causal graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def _as_graph(graph: ArrayLike, name: str) -> NDArray[np.float64]:
    matrix = np.asarray(graph, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        msg = f"`{name}` must be a square matrix, but has shape {matrix.shape}."
        raise ValueError(msg)
    if not np.isfinite(matrix).all():
        msg = f"`{name}` has NaN or infinite values."
        raise ValueError(msg)
    return matrix


def _as_graphs(first: ArrayLike, second: ArrayLike, names: tuple[str, str]) -> tuple[NDArray[np.float64], ...]:
    graphs = _as_graph(first, names[0]), _as_graph(second, names[1])
    if graphs[0].shape != graphs[1].shape:
        msg = f"`{names[0]}` has {len(graphs[0])} nodes and `{names[1]}` has {len(graphs[1])}: they must be the same."
        raise ValueError(msg)
    return graphs


def _true_edges(true: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Presence of the edge of every ordered pair of different nodes."""
    edges = (true != 0)[~np.eye(len(true), dtype=bool)]
    if not edges.any():
        msg = "The true graph has no edges, so there is nothing to find."
        raise ValueError(msg)
    return edges


def edge_average_precision(true: ArrayLike, scores: ArrayLike) -> float:
    """Compute the average precision of the edges, with all ordered pairs of nodes ranked by their absolute weight.

    Parameters
    ----------
    true
        The true graph, nodes x nodes: the entry of row i and column j is nonzero if i acts on j.
    scores
        Weights or scores of the same shape. Absolute values are used; the diagonal is ignored.

    Returns
    -------
    The area under the precision-recall curve, as in :func:`sklearn.metrics.average_precision_score`. A random ranking
    and an empty graph score :func:`scpi.metrics.edge_chance_level`.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is NaN or infinite, or the true graph has no edges.

    Examples
    --------
    >>> from scpi.metrics import edge_average_precision
    >>> edge_average_precision([[0, 1], [0, 0]], [[0, -0.7], [0.1, 0]])
    1.0
    """
    from sklearn.metrics import average_precision_score

    graph, weights = _as_graphs(true, scores, ("true", "scores"))
    edges = _true_edges(graph)
    return float(average_precision_score(edges, np.abs(weights)[~np.eye(len(graph), dtype=bool)]))


def edge_chance_level(true: ArrayLike) -> float:
    """Compute the chance level of the average precision: the fraction of ordered pairs of nodes with an edge.

    Parameters
    ----------
    true
        The true graph, nodes x nodes.

    Returns
    -------
    The share.

    Raises
    ------
    ValueError
        If the graph is not square, or has no edges.

    Examples
    --------
    >>> from scpi.metrics import edge_chance_level
    >>> edge_chance_level([[0, 1], [0, 0]])
    0.5
    """
    return float(_true_edges(_as_graph(true, "true")).mean())


def structural_hamming_distance(true: ArrayLike, estimated: ArrayLike, *, threshold: float = 0.0) -> int:
    """Count the pairs of nodes whose edge is missing, superfluous or reversed.

    Parameters
    ----------
    true
        The true graph, nodes x nodes.
    estimated
        Weights of the same shape.
    threshold
        Edges of `estimated` are the weights whose absolute value exceeds the threshold.

    Returns
    -------
    The number of edges to add, remove or reverse to get from one graph to the other. For an empty estimate, it is the
    number of true edges.

    Raises
    ------
    ValueError
        If the shapes do not match, or a value is NaN or infinite.

    Examples
    --------
    >>> from scpi.metrics import structural_hamming_distance
    >>> structural_hamming_distance([[0, 1], [0, 0]], [[0, 0], [1, 0]])
    1
    """
    graph, weights = _as_graphs(true, estimated, ("true", "estimated"))
    differs = (graph != 0) != (np.abs(weights) > threshold)
    # A reversed edge differs in both entries of its pair, but is one error
    return int(np.triu(differs | differs.T, k=1).sum())


def match_latents(similarity: ArrayLike) -> NDArray[np.int64]:
    """Match true factors to latents, one to one, such that the total similarity is largest.

    Parameters
    ----------
    similarity
        True factors x latents, such as absolute correlations, or the probabilities of assigning the perturbation of
        each factor to each latent. There must be at least as many latents as factors.

    Returns
    -------
    The latent of each factor, for :func:`scpi.metrics.align_graph`.

    Raises
    ------
    ValueError
        If there are fewer latents than factors, or a value is NaN or infinite.

    Examples
    --------
    >>> from scpi.metrics import match_latents
    >>> match_latents([[0.1, 0.9], [0.4, 0.6]]).tolist()
    [1, 0]
    """
    matrix = np.asarray(similarity, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] > matrix.shape[1]:
        msg = f"`similarity` must be factors x latents with at least as many latents, but has shape {matrix.shape}."
        raise ValueError(msg)
    if not np.isfinite(matrix).all():
        msg = "`similarity` has NaN or infinite values."
        raise ValueError(msg)
    return np.asarray(linear_sum_assignment(matrix, maximize=True)[1], dtype=np.int64)


def align_graph(
    graph: ArrayLike, permutation: Sequence[int] | NDArray[np.integer], scale: ArrayLike | None = None
) -> NDArray[np.float64]:
    r"""Transform the graph of a model to the order and the scale of the true factors.

    Latents are identified up to their order and scale. If a latent is :math:`c_i` times its factor, its edge is
    :math:`G_{ij} c_j / c_i`, and the shift of its perturbation is :math:`s_i = c_i s`. Hence
    :math:`G_{ij} s_i / s_j` is the edge between the factors, for perturbations of equal strength.

    Parameters
    ----------
    graph
        Weights between the latents, from row to column.
    permutation
        The latent of each true factor. If two factors share a latent, there is no edge between them.
    scale
        Scale of each latent, such as the strength of the perturbation that targets it. Without it, weights are not
        scaled.

    Returns
    -------
    The weights between the factors, with zeros on the diagonal.

    Raises
    ------
    ValueError
        If the graph is not square, the permutation contains an unknown latent, or a scale in use is zero.

    Examples
    --------
    >>> from scpi.metrics import align_graph
    >>> align_graph([[0.0, 3.0], [0.0, 0.0]], [1, 0], [2.0, 1.0])
    array([[0., 0.],
           [6., 0.]])
    """
    weights = _as_graph(graph, "graph")
    chosen = np.asarray(permutation)
    if (
        chosen.ndim != 1
        or not np.issubdtype(chosen.dtype, np.integer)
        or not ((chosen >= 0) & (chosen < len(weights))).all()
    ):
        msg = f"`permutation` must hold indices of the {len(weights)} latents, but is {permutation}."
        raise ValueError(msg)
    aligned = weights[np.ix_(chosen, chosen)]
    if scale is not None:
        scales = np.asarray(scale, dtype=np.float64)
        if scales.shape != (len(weights),):
            msg = f"`scale` must have one value for each of the {len(weights)} latents, but has shape {scales.shape}."
            raise ValueError(msg)
        factors = scales[chosen]
        if not np.isfinite(factors).all() or (factors == 0).any():
            msg = f"The scales of the latents in use must be finite and not zero, but are {factors}."
            raise ValueError(msg)
        aligned = aligned * factors[:, None] / factors[None, :]
    aligned[chosen[:, None] == chosen[None, :]] = 0.0
    return aligned


def target_recovery(factors: ArrayLike, latents: ArrayLike) -> float:
    """Compute the fraction of perturbations whose latent corresponds to the right factor.

    Latents and factors are matched one to one, with the best matching. If perturbations of different factors are
    assigned to the same latent, not all of them can be right.

    Parameters
    ----------
    factors
        The true factor of each perturbation.
    latents
        The latent to which each perturbation was assigned.

    Returns
    -------
    The share, between 0 and 1.

    Raises
    ------
    ValueError
        If the two are empty or differ in length.

    Examples
    --------
    >>> from scpi.metrics import target_recovery
    >>> target_recovery([0, 1, 2, 3], [3, 1, 1, 0])
    0.75
    """
    true, found = np.asarray(factors).ravel(), np.asarray(latents).ravel()
    if len(true) != len(found) or len(true) == 0:
        msg = f"There are {len(true)} factors and {len(found)} latents: give one of each for every perturbation."
        raise ValueError(msg)
    _, rows = np.unique(true, return_inverse=True)
    _, columns = np.unique(found, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1.0)
    matched = linear_sum_assignment(table, maximize=True)
    return float(table[matched].sum() / len(true))
