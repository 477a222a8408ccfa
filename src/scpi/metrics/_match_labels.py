"""Matching of clusters to known groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy.optimize import linear_sum_assignment

from scpi.metrics._labels import check_length, encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.metrics._labels import Labels

How = Literal["one_to_one", "many_to_one"]


@dataclass(frozen=True)
class LabelMatch:
    """Clusters named by their matched groups."""

    mapping: dict[Any, Any]
    """Group of each cluster; unmatched clusters are omitted."""
    labels: NDArray[np.object_]
    """Group of the cluster of each cell; `None` for unmatched clusters."""
    accuracy: float
    """Fraction of the cells whose cluster matches their own group."""


def match_labels(labels: Labels, truth: Labels, *, how: How = "one_to_one") -> LabelMatch:
    """Match clusters to known groups such that as many cells as possible are in the cluster of their group.

    Parameters
    ----------
    labels
        Cluster of each cell.
    truth
        Group of each cell. Names and number may differ from those of the clusters.
    how
        `"one_to_one"`: every group has at most one cluster, and every cluster at most one group (Kuhn, Nav. Res.
        Logist. Q. 2, 1955). If there are more clusters than groups, surplus clusters are unmatched, and their cells
        count as wrong. `"many_to_one"`: every cluster is matched to the most frequent group of its cells (the first if
        tied); groups may have several clusters, or none. This accuracy rises with the number of clusters.

    Returns
    -------
    The match: `mapping`, `labels` and `accuracy`.

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, there is no cell, or `how` is unknown.

    Examples
    --------
    >>> from scpi.metrics import match_labels
    >>> match = match_labels([0, 0, 1, 1, 2], ["B", "B", "T", "T", "T"])
    >>> match.mapping, match.accuracy
    ({0: 'B', 1: 'T'}, 0.8)
    >>> match_labels([0, 0, 1, 1, 2], ["B", "B", "T", "T", "T"], how="many_to_one").mapping
    {0: 'B', 1: 'T', 2: 'T'}
    """
    if how not in get_args(How):
        msg = f"`how` must be one of {', '.join(map(repr, get_args(How)))}, but is {how!r}."
        raise ValueError(msg)
    (codes, clusters), (true_codes, groups) = encode(labels, "labels"), encode(truth, "truth")
    check_length(len(codes), len(true_codes), "truth")
    shape = len(clusters), len(groups)
    table = np.bincount(codes * shape[1] + true_codes, minlength=shape[0] * shape[1]).reshape(shape)
    if how == "one_to_one":
        rows, columns = linear_sum_assignment(table, maximize=True)
    else:
        rows, columns = np.arange(shape[0]), table.argmax(axis=1)
    partners = np.full(shape[0], None, dtype=object)
    partners[rows] = np.array([*groups, None], dtype=object)[columns]
    return LabelMatch(
        mapping={clusters[row]: groups[column] for row, column in zip(rows, columns, strict=True)},
        labels=partners[codes],
        accuracy=float(table[rows, columns].sum() / len(codes)),
    )


def clustering_accuracy(labels: Labels, truth: Labels, *, how: How = "one_to_one") -> float:
    """Compute the fraction of the cells whose cluster matches their group, with the best matching.

    Parameters
    ----------
    labels
        Cluster of each cell.
    truth
        Group of each cell.
    how
        How clusters are matched, see :func:`scpi.metrics.match_labels`.

    Returns
    -------
    A value above 0, and at most 1.

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, there is no cell, or `how` is unknown.

    Examples
    --------
    >>> from scpi.metrics import clustering_accuracy
    >>> clustering_accuracy([0, 0, 1, 1], ["B", "B", "B", "T"])
    0.75
    """
    return match_labels(labels, truth, how=how).accuracy
