"""What the noise of the measurement leaves to be predicted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._scoring._conventions import N_SPLITS
from scpi._scoring._metrics import METRICS
from scpi._scoring._score import Scores
from scpi._screen._chosen_rows import some_rows
from scpi.metrics import spearman_brown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scpi._scoring._prediction import Prediction

CEILING = "split-half ceiling"
"""Name of one half of the measured cells as a prediction of the other."""
PERFECT = "perfect prediction"
"""Name of the score of a prediction without an error, given the noise of the measured cells."""


def noise_ceiling(
    measured: Iterable[Prediction], metrics: Sequence[str], *, n_splits: int = N_SPLITS, rng: np.random.Generator
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Score one half of the measured cells as a prediction of the other, and say what a perfect prediction would score.

    Measured and reference cells are both halved, so that the two changes share no cell, unless the halves are given with
    the measured profile. The halves have half of the
    cells that a prediction is compared with, and are noisier than these: a good prediction can exceed the score of the
    halves. With r the correlation of the halves, that of two measurements of all cells is 2 r / (1 + r) (Spearman and
    Brown), and a prediction without noise of its own, that of the expected change, correlates with one such measurement
    at the square root of it.

    Both are scores by name for each condition; what is predicted is not looked at. Those of a perfect prediction are
    NaN where a metric is no correlation, and 0 where halves correlate below 0.
    """
    if n_splits < 1:
        msg = f"`n_splits` must be at least 1, but is {n_splits}."
        raise ValueError(msg)
    scores = [Scores(metrics) for _ in range(n_splits)]
    have_halves = []
    for one in measured:
        have_halves.append(can_be_halved(one))
        if have_halves[-1]:
            for of_split in scores:
                of_split.add(halved(one, rng))
    rows = zip(*(of_split.rows() for of_split in scores), strict=True)
    nothing = dict.fromkeys(metrics, float("nan"))
    halves = [_mean_row(next(rows), metrics) if has_halves else nothing for has_halves in have_halves]
    return halves, [{name: _perfect(name, row[name]) for name in metrics} for row in halves]


def can_be_halved(one: Prediction) -> bool:
    """Whether there are two cells of a kind or more, or halves that are given."""
    pairs = ((one.halves, one.real), (one.reference_halves, one.reference))
    return all(given is not None or cells.shape[0] > 1 for given, cells in pairs)


def halved(one: Prediction, rng: np.random.Generator) -> Prediction:
    """One half of the measured cells as a prediction of the other."""
    real, predicted = one.halves or _halves_of(one.real, rng)
    reference, start = one.reference_halves or _halves_of(one.reference, rng)
    return replace(
        one,
        real=real,
        predicted=predicted,
        reference=reference,
        start=start,
        halves=None,
        reference_halves=None,
    )


def _halves_of(cells: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    first, second = np.array_split(rng.permutation(cells.shape[0]), 2)
    return some_rows(cells, first), some_rows(cells, second)


def _mean_row(rows: Sequence[dict[str, float]], metrics: Sequence[str]) -> dict[str, float]:
    """Mean over splits, of those in which a metric has a value."""
    values = {name: np.array([row[name] for row in rows]) for name in metrics}
    return {
        name: float(own[np.isfinite(own)].mean()) if np.isfinite(own).any() else np.nan for name, own in values.items()
    }


def _perfect(name: str, halves: float) -> float:
    if name not in METRICS or not METRICS[name].is_correlation:
        return float("nan")
    # Extrapolating a correlation of noise alone, which may be negative, means nothing
    return float(np.sqrt(spearman_brown(max(halves, 0.0)))) if np.isfinite(halves) else float("nan")
