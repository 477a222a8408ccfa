"""Rows of a table of conditions, and means of their groups."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


class Rows(NamedTuple):
    """Conditions, one per row: what is known of them before they are measured."""

    context: Codes
    """Code of the context of each row; -1 where no training row has it."""
    perturbation: Codes
    """Code of the perturbation of each row; -1 where no training row has it."""
    features: Floats
    """Features of the perturbation of each row, rows x features; without columns if there are none."""

    def indicators(self, n_contexts: int, n_perturbations: int) -> Floats:
        """Indicators of context and perturbation, and features, rows x columns."""
        known = one_hot(self.context, n_contexts), one_hot(self.perturbation, n_perturbations)
        return np.hstack([*known, self.features])


Predictor = Callable[[Rows], Floats]
"""Function that returns the values of conditions, rows x genes."""


class Method(ABC):
    """A way to predict rows from other rows, with its settings as the fields of a dataclass."""

    @abstractmethod
    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Learn from measured rows and their values (rows x genes)."""


def one_hot(codes: Codes, n_codes: int) -> Floats:
    """Indicators, rows x codes; a row of zeros where the code is negative."""
    return (codes[:, None] == np.arange(n_codes)).astype(np.float64)


def n_codes(codes: Codes) -> int:
    """Number of codes, of which the last one occurs."""
    return int(codes.max(initial=-1)) + 1


def group_sums(codes: Codes, values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted sums of the rows of each code (codes x genes), and the sums of their weights."""
    shape = (n_codes(codes), len(codes))
    indicator = sparse.csr_matrix((weights, (codes, np.arange(len(codes)))), shape=shape)
    size = np.bincount(codes, weights=weights, minlength=shape[0]).astype(np.float64)
    return np.asarray(indicator @ values), size


def group_means(codes: Codes, values: Floats, wanted: Codes, default: Floats) -> Floats:
    """Mean of the rows of each code that is wanted; ``default`` for a negative one."""
    sums, size = group_sums(codes, values, np.ones(len(codes)))
    known = wanted >= 0
    found = np.tile(default, (len(wanted), 1))
    found[known] = sums[wanted[known]] / size[wanted[known], None]
    return found


def means_of_others(codes: Codes, values: Floats, weights: Floats, default: Floats) -> tuple[Floats, Floats]:
    """Mean of the *other* rows with the code of each row, and the weight of these; ``default`` where there are none.

    No row has a part in its own mean, so that what is learned from these means holds for rows that were not measured.
    ``default`` is a row, or one per row.
    """
    sums, size = group_sums(codes, values, weights)
    # A difference of equal sums need not be exactly zero
    alone = np.bincount(codes)[codes] == 1
    left = np.where(alone, 0.0, size[codes] - weights)
    others = sums[codes] - weights[:, None] * values
    found = np.divide(others, left[:, None], where=~alone[:, None], out=np.broadcast_to(default, values.shape).copy())
    return found, left
