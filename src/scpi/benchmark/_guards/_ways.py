"""Predictions that game a score, from control cells and what training perturbations have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Cells = NDArray[np.float64]

GAMES = "ways to game"
"""Name of all of them as one task."""
# Times the standard deviation of the cells, and times the mean change
_INFLATION = 2.0
_SCALING = 3.0
# Of log expression: a gene of any cells is significant
_STEP = 2.0
_KEPT = 0.2


@dataclass(frozen=True, eq=False, kw_only=True)
class Material:
    """Information without a model: control cells, and average effects of training perturbations.

    Attributes
    ----------
    start
        Control cells, cells x genes, log-normalised.
    shifted
        The same cells with the mean change of the training conditions.
    frequency
        Fraction of the training conditions in which each gene is significant.
    direction
        Most frequent direction of its significant changes: 1 or -1.
    n_called
        Number of genes that are significant in the median training condition.
    rng
        Generator of the draws.
    """

    start: Cells
    shifted: Cells
    frequency: Cells
    direction: Cells
    n_called: int
    rng: np.random.Generator


def _inflated(given: Material) -> Cells:
    centre = given.shifted.mean(0)
    return centre + _INFLATION * (given.shifted - centre)


def _logs_of_logs(given: Material) -> Cells:
    return np.log1p(given.shifted)


def _scaled(given: Material) -> Cells:
    return given.start + _SCALING * (given.shifted - given.start)


def _pasted(given: Material) -> Cells:
    is_pasted = np.arange(len(given.start)) % 2 == 0
    return np.where(is_pasted[:, None], given.start, given.shifted)


def _as_many_calls(given: Material) -> Cells:
    change = given.shifted.mean(0) - given.start.mean(0)
    called = np.argsort(-np.abs(change), kind="stable")[: given.n_called]
    return _stepped(given, called, np.sign(change))


def _frequent_genes(given: Material) -> Cells:
    called = np.argsort(-given.frequency, kind="stable")[: given.n_called]
    return _stepped(given, called, given.direction)


def _stepped(given: Material, called: NDArray[np.intp], direction: Cells) -> Cells:
    """Control cells with shifts of some genes that are large enough to be significant in every test."""
    cells = given.start.copy()
    cells[:, called] += _STEP * direction[called]
    return cells


def _one_profile(given: Material) -> Cells:
    return np.tile(given.shifted.mean(0), (len(given.shifted), 1))


def _noisy_mean(given: Material) -> Cells:
    noise = given.rng.standard_normal(given.shifted.shape)
    return given.shifted.mean(0) + given.start.std(0) * noise


def _all_genes(given: Material) -> Cells:
    change = given.shifted.mean(0) - given.start.mean(0)
    return given.start + _STEP * np.where(change < 0, -1.0, 1.0)


def _one_cell(given: Material) -> Cells:
    centre = given.shifted.mean(0)
    nearest = np.square(given.shifted - centre).sum(1).argmin()
    return np.tile(given.shifted[nearest], (len(given.shifted), 1))


def _emptied(given: Material) -> Cells:
    return np.where(given.rng.random(given.shifted.shape) < _KEPT, given.shifted, 0.0)


def _noisy_control(given: Material) -> Cells:
    return given.start + given.start.std(0) * given.rng.standard_normal(given.start.shape)


WAYS: Mapping[str, Callable[[Material], Cells]] = {
    "inflated variance": _inflated,
    "logarithm taken twice": _logs_of_logs,
    "scaled change": _scaled,
    "pasted controls": _pasted,
    "as many genes as expected": _as_many_calls,
    "most frequent genes": _frequent_genes,
    "one profile for all cells": _one_profile,
    "noise around the mean": _noisy_mean,
    "every gene changes": _all_genes,
    "one cell repeated": _one_cell,
    "most values removed": _emptied,
    "control with noise": _noisy_control,
}
"""Ways to game a score, by name; none uses information about a condition except that it is perturbed."""


def play(name: str, given: Material) -> Cells:
    """Predicted cells of a way, without negative expression."""
    return np.maximum(WAYS[name](given), 0.0)
