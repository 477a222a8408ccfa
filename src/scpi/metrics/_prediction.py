"""Several metrics of a prediction in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._sequence import as_list
from scpi.metrics._change import pearson_delta, r2, rmse, sign_accuracy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Metric = Callable[[NDArray[np.float64], NDArray[np.float64]], float | NDArray[np.float64]]


def _pearson_top(real: NDArray[np.float64], predicted: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    top = np.argsort(-np.abs(real), axis=-1, kind="stable")[..., :k]
    return np.asarray(
        pearson_delta(np.take_along_axis(real, top, axis=-1), np.take_along_axis(predicted, top, axis=-1))
    )


def score_change(
    real: ArrayLike, predicted: ArrayLike, *, metrics: Sequence[str] | str | None = None, k: int = 20
) -> dict[str, float | NDArray[np.float64]]:
    """Score predicted changes of expression with several metrics at once.

    Parameters
    ----------
    real, predicted
        Changes relative to the control: a vector of genes, or conditions x genes.
    metrics
        Some of `"pearson"`, `"pearson_top"` (Pearson correlation over the `k` genes with the largest real change),
        `"rmse"`, `"r2"` and `"sign_accuracy"`; all if `None`.
    k
        Number of genes for `"pearson_top"`, at least 2.

    Returns
    -------
    Values of the metrics by name: a number for two vectors, or one value for each condition.

    Raises
    ------
    ValueError
        If a metric is unknown, `k` is below 2, the shapes differ or a value is NaN or infinite.

    Examples
    --------
    >>> from scpi.metrics import score_change
    >>> score_change([0.0, 2.0], [0.0, 1.0], metrics=["r2", "sign_accuracy"])
    {'r2': 0.5, 'sign_accuracy': 1.0}
    """
    if k < 2:
        msg = f"`k` must be at least 2, as one gene has no correlation, but is {k}."
        raise ValueError(msg)
    known: dict[str, Metric] = {
        "pearson": pearson_delta,
        "pearson_top": lambda x, y: _pearson_top(x, y, k),
        "rmse": rmse,
        "r2": r2,
        "sign_accuracy": sign_accuracy,
    }
    chosen = list(known) if metrics is None else as_list(metrics)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        msg = f"Unknown metrics {', '.join(map(repr, unknown))}: choose from {', '.join(map(repr, known))}."
        raise ValueError(msg)
    x, y = np.asarray(real, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    rmse(x, y)  # checks shapes and values, before a metric takes them apart
    scores = {name: known[name](x, y) for name in chosen}
    return {name: float(value) if np.ndim(value) == 0 else value for name, value in scores.items()}
