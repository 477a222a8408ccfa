"""Losses of an epoch, averaged over its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class EpochMetrics:
    """Sums of losses that stay on their device, as logging each step would cost as much as a small network."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._n_steps = 0

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Add the losses of a step."""
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value.detach() if name in self._sums else value.detach()
        self._n_steps += 1

    def take(self) -> dict[str, float]:
        """Return the means of the steps so far, and reset."""
        means = {name: float(value) / self._n_steps for name, value in self._sums.items()}
        self._sums, self._n_steps = {}, 0
        return means
