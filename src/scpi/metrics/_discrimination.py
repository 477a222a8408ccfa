"""Discrimination of perturbations by their predicted changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.spatial.distance import cdist

from scpi.metrics._arrays import as_array, as_changes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Metric = Literal["cosine", "l1", "l2"]


def perturbation_discrimination(
    real: ArrayLike,
    predicted: ArrayLike,
    *,
    metric: Metric = "cosine",
    exclude: ArrayLike | None = None,
    others: ArrayLike | None = None,
) -> NDArray[np.float64]:
    r"""Compute the perturbation discrimination score: how the own real change of a prediction ranks among all.

    .. math:: 1 - \frac{k}{n - 1}

    where :math:`k` of the :math:`n - 1` other real changes are nearer to the prediction than its own, with ties
    counting one half. Unlike errors and correlations, it detects models that predict the mean of all perturbations for
    each of them.

    Parameters
    ----------
    real, predicted
        Changes relative to the control, conditions x genes, the same conditions in the same order.
    metric
        Distance: `"cosine"` (1 if a change is zero), `"l1"` or `"l2"`. Cosine ignores the magnitude of a change. With
        the other two, ranks depend on the magnitude of the predicted changes, so that scaling all of them can raise the
        score.
    exclude
        Genes to exclude, such as the targets of the perturbations, which are known without a model. A boolean vector of
        genes excludes them everywhere, which is recommended. A boolean array of conditions x genes excludes genes from
        the distances of one condition only. A prediction can then gain by raising the targets of all *other*
        perturbations, which moves it away from these.
    others
        Real changes of further conditions to discriminate against, such as training conditions.

    Returns
    -------
    One value for each condition: 1 if its own real change is the nearest, 0 if it is the farthest. About 0.5 by chance,
    and exactly 0.5 on average if the prediction is the same for all conditions (without `others`).

    Raises
    ------
    ValueError
        If the shapes do not match, there is only one condition, the metric is unknown, no gene is left, or a value is
        NaN or infinite.

    Notes
    -----
    PerturBench (Wu et al., arXiv 2408.10609, 2024) and the Virtual Cell Challenge introduced such ranks. The published
    variants differ: in 2025, L1 distances of changes, with the rank divided by :math:`n`; in 2026, cosine,
    :math:`n - 1`, averaged ties and all targets excluded, as here. Values depend on the choice and number of the
    compared conditions.

    Examples
    --------
    >>> from scpi.metrics import perturbation_discrimination
    >>> perturbation_discrimination([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [[2.0, 0.1], [1.0, 0.0], [0.0, 0.0]])
    array([1. , 0. , 0.5])
    """
    distances = _distances(real, predicted, metric, exclude, others)
    own = distances.diagonal()[:, None]
    nearer, tied = (distances < own).sum(axis=1), (distances == own).sum(axis=1) - 1
    return 1.0 - (nearer + 0.5 * tied) / (distances.shape[1] - 1)


def centroid_accuracy(
    real: ArrayLike, predicted: ArrayLike, *, exclude: ArrayLike | None = None, others: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Compute the fraction of other perturbations' centroids that are farther from the prediction than its own.

    Parameters
    ----------
    real, predicted
        Mean expression, or changes relative to the same control, conditions x genes, the same conditions in the same
        order.
    exclude
        Genes to exclude, as in :func:`scpi.metrics.perturbation_discrimination`.
    others
        Centroids of further conditions, such as training conditions.

    Returns
    -------
    One value between 0 and 1 for each condition.

    Raises
    ------
    ValueError
        If the shapes do not match, there is only one condition, no gene is left, or a value is NaN or infinite.

    Notes
    -----
    As in Systema (Viñas Torné et al., Nat. Biotechnol., 2025), with Euclidean distance. It equals
    :func:`scpi.metrics.perturbation_discrimination` with `"l2"`, except that a centroid at the same distance does not
    count as farther.

    Examples
    --------
    >>> from scpi.metrics import centroid_accuracy
    >>> centroid_accuracy([[0.0], [1.0], [5.0]], [[0.2], [3.9], [4.0]])
    array([1. , 0.5, 1. ])
    """
    distances = _distances(real, predicted, "l2", exclude, others)
    return (distances > distances.diagonal()[:, None]).sum(axis=1) / (distances.shape[1] - 1)


def _distances(
    real: ArrayLike, predicted: ArrayLike, metric: Metric, exclude: ArrayLike | None, others: ArrayLike | None
) -> NDArray[np.float64]:
    """Distances of each prediction to each real change, its own on the diagonal."""
    if metric not in get_args(Metric):
        msg = f"`metric` must be one of {', '.join(map(repr, get_args(Metric)))}, but is {metric!r}."
        raise ValueError(msg)
    candidates, y = as_changes(real, predicted)
    if candidates.ndim != 2:
        msg = f"Conditions are compared with each other: give conditions x genes, not the shape {candidates.shape}."
        raise ValueError(msg)
    if others is not None:
        further = np.asarray(others, dtype=np.float64)
        if further.ndim != 2 or further.shape[1] != candidates.shape[1] or not np.isfinite(further).all():
            msg = f"`others` must be finite, conditions x the same {candidates.shape[1]} genes, but has shape {further.shape}."
            raise ValueError(msg)
        candidates = np.concatenate([candidates, further])
    if len(candidates) < 2:
        msg = "There is only one condition, without others to discriminate against: give several, or `others`."
        raise ValueError(msg)
    keep = _kept(exclude, y.shape)
    if keep.ndim == 1:
        return _pairwise(y[:, keep], candidates[:, keep], metric)
    rows = [_pairwise(row[None, kept], candidates[:, kept], metric) for row, kept in zip(y, keep, strict=True)]
    return np.concatenate(rows)


def _kept(exclude: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Genes that are compared, in all conditions or in each."""
    mask = np.zeros(shape[1], dtype=bool) if exclude is None else as_array(exclude)
    if mask.dtype != bool or mask.shape not in (shape, shape[1:]):
        msg = f"`exclude` must be a boolean vector of genes or of shape {shape}, but is {mask.dtype} of {mask.shape}."
        raise ValueError(msg)
    if mask.all(axis=-1).any():
        msg = "`exclude` leaves no gene to compare."
        raise ValueError(msg)
    return ~mask


def _pairwise(x: NDArray[np.float64], y: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    if metric != "cosine":
        return cdist(x, y, "cityblock" if metric == "l1" else "euclidean")
    # A zero change stays zero, at distance 1 from every change
    units = [values / np.where(norm > 0, norm, 1.0)[:, None] for values in (x, y) for norm in [_norm(values)]]
    return 1.0 - units[0] @ units[1].T


def _norm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt((values * values).sum(axis=1))
