"""Effect of each unit on the reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

    from scpi.model.gene_program._module import GeneProgramModule

# Largest change of a logarithm of expression that a unit may cause anywhere to be called vanished
_VANISHED = 0.05
# Entries of cells x genes at a time: what fits in the cache of a processor takes a fraction of the time
_N_ENTRIES = 1 << 19


def unit_table(module: GeneProgramModule, names: Sequence[str], batches: Iterable[dict[str, Tensor]]) -> pd.DataFrame:
    """Moments of the units, and what the likelihood of the cells loses without each: one row per unit."""
    n_cells, n_units = 0, len(names)
    first, second, n_on, effect, change = (np.zeros(n_units) for _ in range(5))
    least, most = np.full(n_units, np.inf), np.full(n_units, -np.inf)
    level = module.mean_level()
    for tensors in _pieces(batches):
        z = module.encode(tensors[KEYS.INPUT])
        n_cells += len(z)
        first += z.double().sum(0).cpu().numpy()
        second += z.double().square().sum(0).cpu().numpy()
        n_on += (z > 0).double().sum(0).cpu().numpy()
        least = np.minimum(least, z.amin(0).cpu().numpy())
        most = np.maximum(most, z.amax(0).cpu().numpy())
        effects, levels = module.effects(z), module.levels(tensors)
        decoded = module.of_effects(effects, levels)
        loss = module.loss_of_decoded(tensors, decoded)
        whole = decoded if levels.ndim == 1 else module.of_effects(effects, level)
        for unit in np.flatnonzero(n_on):
            # Nothing changes in cells in which it is 0
            on = z[:, unit].nonzero().squeeze(1)
            if not len(on):
                continue
            chosen = {key: values[on] for key, values in tensors.items()}
            left = module.effects_without(z[on], effects[on], int(unit))
            decoded = module.of_effects(left, levels if levels.ndim == 1 else levels[on])
            effect[unit] += float((module.loss_of_decoded(chosen, decoded) - loss[on]).sum())
            if change[unit] < _VANISHED:
                decoded = decoded if levels.ndim == 1 else module.of_effects(left, level)
                change[unit] = max(change[unit], float((decoded - whole[on]).abs().amax()))
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


def _pieces(batches: Iterable[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """Batches of fewer cells."""
    for tensors in batches:
        n_cells, n_genes = tensors[KEYS.X].shape
        step = max(1, _N_ENTRIES // max(1, n_genes))
        for start in range(0, n_cells, step):
            yield {key: values[start : start + step] for key, values in tensors.items()}
