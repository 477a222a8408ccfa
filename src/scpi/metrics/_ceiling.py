"""Noise ceiling of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from scpi._rng import as_generator
from scpi.metrics._change import pearson_delta

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


class Ceiling(NamedTuple):
    """Mean and standard deviation of a metric over random splits."""

    mean: float
    """Mean over splits."""
    sd: float
    """Standard deviation over splits."""


def _half_means(
    values: ArrayLike, name: str, n_splits: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of the two halves of the rows, splits x genes each; sparse matrices stay sparse."""
    matrix: Any = values if sparse.issparse(values) else np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2:
        msg = f"`{name}` must be cells x genes, but has shape {matrix.shape}."
        raise ValueError(msg)
    n = matrix.shape[0]
    if n < 2:
        msg = f"`{name}` has {n} cell(s): at least two are needed for two halves."
        raise ValueError(msg)
    half = n // 2
    weights = np.zeros((n_splits, n))
    weights[:, :half] = 1.0
    weights = rng.permuted(weights, axis=1)
    return np.asarray(weights @ matrix) / half, np.asarray((1.0 - weights) @ matrix) / (n - half)


def split_half_ceiling(
    cells: ArrayLike,
    control: ArrayLike,
    *,
    metric: Callable[[NDArray[np.float64], NDArray[np.float64]], float | NDArray[np.float64]] = pearson_delta,
    n_splits: int = 20,
    rng: int | np.random.Generator | None = 0,
) -> Ceiling:
    """Estimate the noise ceiling of a prediction: how well one half of the cells predicts the other half.

    Perturbed and control cells are both split at random, so that the two changes have no cells in common. Both come
    from half of the cells, and are noisier than the change of all cells with which a prediction is compared. The
    ceiling is therefore conservative: a good prediction can exceed it. For correlations,
    :func:`scpi.metrics.spearman_brown` extrapolates it to all cells.

    Parameters
    ----------
    cells
        Cells of one perturbation, cells x genes, dense or sparse.
    control
        Control cells, cells x genes, dense or sparse.
    metric
        Function of the change in one half ("real") and in the other ("predicted"). It is called once with two arrays
        of splits x genes, and gives one value for each split, as the metrics of changes in this module do.
    n_splits
        Number of random splits.
    rng
        Seed or generator.

    Returns
    -------
    The mean of the metric over the splits and its standard deviation (NaN for a single split).

    Raises
    ------
    ValueError
        If there are fewer than two perturbed or control cells, the genes differ, or `n_splits` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.metrics import split_half_ceiling
    >>> control = np.zeros((10, 3))
    >>> round(split_half_ceiling(control + [0.0, 1.0, 2.0], control).mean, 6)
    1.0
    """
    if n_splits < 1:
        msg = f"`n_splits` must be at least 1, but is {n_splits}."
        raise ValueError(msg)
    generator = as_generator(rng)
    first, second = _half_means(cells, "cells", n_splits, generator)
    control_first, control_second = _half_means(control, "control", n_splits, generator)
    if first.shape[1] != control_first.shape[1]:
        msg = f"`cells` has {first.shape[1]} genes and `control` {control_first.shape[1]}: they must be the same."
        raise ValueError(msg)
    values = np.asarray(metric(first - control_first, second - control_second), dtype=np.float64)
    if values.shape != (n_splits,):
        msg = f"`metric` must give one value for each of the {n_splits} splits, but gave shape {values.shape}."
        raise ValueError(msg)
    return Ceiling(float(values.mean()), float(values.std(ddof=1)) if n_splits > 1 else float("nan"))


def spearman_brown(correlation: ArrayLike, *, factor: float = 2.0) -> float | NDArray[np.float64]:
    """Extrapolate the correlation of two halves to measurements of more cells.

    Parameters
    ----------
    correlation
        Correlation of two equally good, independent measurements, such as from
        :func:`scpi.metrics.split_half_ceiling`.
    factor
        Factor of the number of cells: 2 gives the correlation of two measurements with all cells.

    Returns
    -------
    ``factor * r / (1 + (factor - 1) * r)``. Its square root is the largest correlation of a noise-free prediction with
    one such measurement.

    Raises
    ------
    ValueError
        If `factor` is not positive.

    Examples
    --------
    >>> from scpi.metrics import spearman_brown
    >>> round(spearman_brown(0.5), 4)
    0.6667
    """
    if not factor > 0:
        msg = f"`factor` must be positive, but is {factor}."
        raise ValueError(msg)
    r = np.asarray(correlation, dtype=np.float64)
    values = np.asarray(factor * r / (1.0 + (factor - 1.0) * r))
    return float(values) if values.ndim == 0 else values
