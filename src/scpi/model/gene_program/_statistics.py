"""What each unit does for the reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from scpi.model.gene_program._module import GeneProgramModule

# Largest change of a logarithm of expression that a unit may cause anywhere to be called vanished
_VANISHED = 0.05


class UnitStatistics:
    """Moments of the units, and what the likelihood of the cells loses without each, over batches of cells.

    Parameters
    ----------
    module
        Trained network.
    names
        Names of the units.
    """

    def __init__(self, module: GeneProgramModule, names: Sequence[str]) -> None:
        self._module, self._names = module, list(names)
        n = len(self._names)
        self._n = 0
        self._sum, self._squares, self._on, self._effect = (np.zeros(n) for _ in range(4))
        self._least, self._most = np.full(n, np.inf), np.full(n, -np.inf)
        self._change = np.zeros(n)

    def add(self, batches: Iterable[dict[str, Tensor]]) -> UnitStatistics:
        """Take batches of cells in."""
        for tensors in batches:
            self._add(tensors)
        return self

    def _add(self, tensors: dict[str, Tensor]) -> None:
        module = self._module
        z = module.encode(tensors[KEYS.INPUT])
        self._n += len(z)
        self._sum += z.double().sum(0).cpu().numpy()
        self._squares += z.double().square().sum(0).cpu().numpy()
        self._on += (z > 0).double().sum(0).cpu().numpy()
        self._least = np.minimum(self._least, z.amin(0).cpu().numpy())
        self._most = np.maximum(self._most, z.amax(0).cpu().numpy())
        level = module.mean_level()
        whole, loss = module.decode(z, level), module.reconstruction(tensors, z).double().sum()
        for unit in np.flatnonzero(self._on):
            without = z.clone()
            without[:, unit] = 0.0
            self._effect[unit] += float(module.reconstruction(tensors, without).double().sum() - loss)
            change = float((module.decode(without, level) - whole).abs().amax())
            self._change[unit] = max(self._change[unit], change)

    def table(self) -> pd.DataFrame:
        """One row for each unit."""
        mean = self._sum / self._n
        effect = self._effect / self._n
        order = np.empty(len(effect), dtype=np.int64)
        order[np.argsort(-effect, kind="stable")] = np.arange(len(effect))
        return pd.DataFrame(
            {
                "reconstruction_effect": effect,
                "order": order,
                "mean": mean,
                "std": np.sqrt(np.maximum(self._squares / self._n - mean**2, 0.0)),
                "min": self._least,
                "max": self._most,
                "fraction_on": self._on / self._n,
                "vanished": self._change < _VANISHED,
            },
            index=pd.Index(self._names, name="unit"),
        )
