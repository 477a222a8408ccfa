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


def unit_table(module: GeneProgramModule, names: Sequence[str], batches: Iterable[dict[str, Tensor]]) -> pd.DataFrame:
    """Moments of the units, and what the likelihood of the cells loses without each: one row per unit."""
    n_cells, n_units = 0, len(names)
    first, second, n_on, effect, change = (np.zeros(n_units) for _ in range(5))
    least, most = np.full(n_units, np.inf), np.full(n_units, -np.inf)
    level = module.mean_level()
    for tensors in batches:
        z = module.encode(tensors[KEYS.INPUT])
        n_cells += len(z)
        first += z.double().sum(0).cpu().numpy()
        second += z.double().square().sum(0).cpu().numpy()
        n_on += (z > 0).double().sum(0).cpu().numpy()
        least = np.minimum(least, z.amin(0).cpu().numpy())
        most = np.maximum(most, z.amax(0).cpu().numpy())
        whole, loss = module.decode(z, level), module.reconstruction(tensors, z).double().sum()
        for unit in np.flatnonzero(n_on):
            without = z.clone()
            without[:, unit] = 0.0
            effect[unit] += float(module.reconstruction(tensors, without).double().sum() - loss)
            change[unit] = max(change[unit], float((module.decode(without, level) - whole).abs().amax()))
    mean, effect = first / n_cells, effect / n_cells
    order = np.empty(n_units, dtype=np.int64)
    order[np.argsort(-effect, kind="stable")] = np.arange(n_units)
    return pd.DataFrame(
        {
            "reconstruction_effect": effect,
            "order": order,
            "mean": mean,
            "std": np.sqrt(np.maximum(second / n_cells - mean**2, 0.0)),
            "min": least,
            "max": most,
            "fraction_on": n_on / n_cells,
            "vanished": change < _VANISHED,
        },
        index=pd.Index(names, name="unit"),
    )
