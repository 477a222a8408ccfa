"""Simulation of experiments of another size than the pilot, from its control cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scpi._screen._matrix import as_dense
from scpi.design._changed_counts import multiply_rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.design._pilot import Pilot

    Floats = NDArray[np.float64]


class Size(NamedTuple):
    """Size of an experiment."""

    n_cells: int
    """Number of cells per perturbation and replicate."""
    n_controls: int
    """Number of control cells per replicate."""
    n_replicates: int
    """Number of samples with cells of all perturbations and of the control."""
    n_guides: int
    """Number of guides per perturbation."""
    depth: float
    """Sequencing depth of the cells, relative to the pilot."""


def simulate(
    pilot: Pilot,
    size: Size,
    effects: Floats,
    rng: np.random.Generator,
    *,
    columns: tuple[str, str],
    between: float = 0.0,
    efficacies: list[Floats] | None = None,
) -> AnnData:
    """Draw control cells of the pilot with replacement, and change their counts by the effects.

    Parameters
    ----------
    pilot
        The pilot.
    size
        Size of the experiment.
    effects
        Natural logarithms of fold changes, groups x genes.
    rng
        Random numbers.
    columns
        Columns for the group and the sample of each cell.
    between
        Variance of the log fold change of a gene between samples.
    efficacies
        Relative effects of the guides of each group, drawn with replacement; one guide if `None`.
    """
    samples = _replicates(list(pilot.controls), size.n_replicates, rng)
    chosen = [
        np.ones(1) if efficacies is None else rng.choice(efficacies[code], size.n_guides)
        for code in range(len(effects))
    ]
    blocks, rows = [], []
    for replicate, sample in enumerate(samples):
        name = f"replicate {replicate + 1}"
        blocks.append(_cells(pilot, sample, size.n_controls, np.full((1, effects.shape[1]), size.depth), rng))
        rows += [(pilot.reference, name)] * size.n_controls
        for code, log_change in enumerate(effects):
            own = log_change + np.sqrt(between) * rng.normal(size=len(log_change)) * (between > 0)
            ratio = size.depth * np.exp(np.outer(chosen[code], own))
            blocks.append(_cells(pilot, sample, size.n_cells, ratio, rng))
            rows += [(pilot.names[code], name)] * size.n_cells
    obs = pd.DataFrame(rows, columns=list(columns), index=[f"cell{i}" for i in range(len(rows))])
    adata = AnnData(sparse.vstack(blocks, format="csr"), obs=obs)
    adata.var_names = [f"gene{i}" for i in range(adata.n_vars)]
    return adata


def _replicates(samples: list[int], n: int, rng: np.random.Generator) -> list[int]:
    """Choose the sample of the pilot for each replicate, each equally often or once more."""
    order = rng.permutation(samples).tolist()
    return [order[i % len(order)] for i in range(n)]


def _cells(pilot: Pilot, sample: int, n: int, ratio: Floats, rng: np.random.Generator) -> sparse.csr_matrix:
    """Draw control cells of a sample, and multiply their rates by the rows of a ratio in turn."""
    cells = rng.choice(pilot.controls[sample], n)
    if (ratio == 1).all():
        return sparse.csr_matrix(pilot.counts[cells], dtype=np.float32)
    mean = np.outer(pilot.library[cells], pilot.rates[sample])
    ratio = ratio[np.arange(n) % len(ratio)]
    counts = as_dense(pilot.counts[cells], np.float64)
    return sparse.csr_matrix(multiply_rates(counts, ratio, mean, pilot.size, rng), dtype=np.float32)
