"""Codes of conditions, which a network is conditioned on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scpi._screen._composition import composed_weights
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Coding = Literal["levels", "dose"]


class ConditionCoder:
    """Turns doses of the single perturbations into the numbers that a network is conditioned on.

    With ``"levels"`` there is one number for each condition (label and dose) of the data, 1 for its own. What was not
    trained on is put together from those that were: a dose between two levels by both, with weights that are linear in
    the logarithm of dose plus 1, below the least one by that and the control; one above the largest by the largest; a
    combination by the sum of its members. With ``"dose"`` there is one number for each single perturbation, the
    logarithm of its dose plus 1, over that of the largest dose in the training cells.

    The conditions of the data are given as the doses of the single ``perturbations``, (n_conditions, n_perturbations),
    and whether they were trained on; all if ``None``.
    """

    def __init__(
        self,
        kind: Coding,
        design: NDArray[np.floating[Any]],
        perturbations: Sequence[str],
        *,
        trained: NDArray[np.bool_] | None = None,
    ) -> None:
        self.kind, self.perturbations = kind, list(perturbations)
        self.levels = np.asarray(design, dtype=np.float64)
        self.trained = self.levels.any(1) & (True if trained is None else trained)
        self.scale = np.log1p(self.levels[self.trained].max(0, initial=0.0))

    @property
    def n_codes(self) -> int:
        """Length of a code."""
        return len(self.levels) if self.kind == "levels" else len(self.perturbations)

    def __call__(self, design: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Codes of conditions, (n_conditions, n_codes); that of the control is zero.

        It is an error if a perturbation was not trained on, or, for ``"levels"``, not alone for a new combination.
        """
        return np.stack([self._code(row) for row in np.asarray(design, dtype=np.float64)]).astype(np.float32)

    def _code(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        used = row != 0
        if self.kind == "dose":
            missing = np.flatnonzero(used & (self.scale == 0))
            if len(missing):
                names = listed(self.perturbations[member] for member in missing)
                msg = f"{names} does not occur in the training cells: the network has no code for it."
                raise ValueError(msg)
            return np.divide(np.log1p(row), self.scale, out=np.zeros_like(row), where=used)
        code = np.zeros(len(self.levels))
        code[self.trained] = composed_weights(self.levels[self.trained], row, names=self.perturbations)
        return code
