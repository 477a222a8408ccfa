from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi.model.conditions._rows import group_means, means_of_others

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.conditions._rows import Codes, Floats, Rows


class Encoding(NamedTuple):
    """Means of the targets of each perturbation, as features of its rows."""

    codes: Codes
    targets: Floats
    default: Floats
    """For perturbations that were not measured."""
    of_training: Floats
    """Codes of the training rows, computed without the row itself, so that targets do not leak into features."""
    known: NDArray[np.bool_]
    """Whether the perturbation of a training row has other rows."""

    @classmethod
    def of_rows(cls, rows: Rows, targets: Floats) -> Encoding:
        """Take the means of training rows."""
        default = targets.mean(axis=0)
        means, others = means_of_others(rows.perturbation, targets, np.ones(len(targets)), default)
        return cls(rows.perturbation, targets, default, means, others > 0)

    def of(self, perturbation: Codes) -> Floats:
        """Means for rows that were not measured."""
        return group_means(self.codes, self.targets, perturbation, self.default)
