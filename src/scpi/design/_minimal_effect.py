from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import listed
from scpi._view import View
from scpi.design._called import pvals_of
from scpi.design._experiments import all_sizes, check_test, run_sizes
from scpi.design._pilot import Pilot
from scpi.design._power import REPLICATE
from scpi.design._simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.design._simulate import Size

_EFFECTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


@fill
def minimal_effect(
    data: AnnData | MuData,
    groupby: str = Key.obs.PERTURBATION,
    *,
    reference: Label = "control",
    n_cells: Sequence[int] | int = (25, 50, 100, 200),
    n_controls: int | None = None,
    n_replicates: Sequence[int] | int = 1,
    depth: Sequence[float] | float = 1.0,
    log2fc: Sequence[float] = _EFFECTS,
    target_power: float = 0.8,
    n_bins: int = 3,
    fraction: float = 0.1,
    test: str = "wilcoxon",
    adjust: bool = True,
    sample_key: str | None = None,
    min_mean: float = 0.1,
    pval_cutoff: float = 0.05,
    n_simulations: int = 20,
    layer: str | None = None,
    mod: str | None = None,
    rng: int | np.random.Generator | None = 0,
    out: str | Path | None = None,
    progress: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Find the smallest log fold change that experiments of several sizes can detect, from the controls of a pilot.

    Each simulated experiment has one group of cells per fold change. The rates of random genes are multiplied or
    divided by the fold change there, and all groups are tested against the controls.

    Parameters
    ----------
    data
        Counts of the pilot, cells x genes, or a MuData together with ``mod``. Control cells are sufficient.
    groupby
        Column of `adata.obs` with the perturbation of each cell.
    reference
        Label of the control cells.
    n_cells
        Number of cells per perturbation and replicate.
    n_controls
        Number of control cells per replicate; as many as in a sample of the pilot if `None`.
    n_replicates
        Number of samples, drawn from those of the pilot. The fold change is the same in all of them.
    depth
        Sequencing depth of the cells, relative to the pilot.
    log2fc
        Absolute log2 fold changes to simulate, in ascending order.
    target_power
        Required probability of detecting the smallest log fold change.
    n_bins
        Number of groups of genes by mean count, with equally many genes each.
    fraction
        Fraction of the genes that change.
    test
        Test of `scpi.de.methods`, or `"limma"`.
    adjust
        Whether to adjust p-values for the number of genes.
    sample_key
        Column of `adata.obs` with the sample of each cell. In simulated experiments, it names the replicates.
    min_mean
        Minimum mean count of a gene in the control cells, at the depth of the pilot. Other genes are ignored.
    pval_cutoff
        Largest p-value of a detected gene.
    n_simulations
        Number of simulated experiments per size.
    %(counts_layer)s
    %(mod)s
    %(rng)s
    out
        Folder in which to store the result of each size. Stored results are not computed again.
    progress
        Whether to show a progress bar.
    **options
        Options of the test, such as `covariates`.

    Returns
    -------
    One row per size, group of genes and fold change: the smallest and largest mean count of the genes, `mean_from` and
    `mean_to`; the `power`; and `minimal_log2fc`, the log2 fold change that reaches the target power, interpolated
    between the simulated ones, or infinite if none reaches it.

    Raises
    ------
    KeyError
        If a column or the layer does not exist.
    ValueError
        If a size or the test is unknown or impossible, or the values are not counts.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=50, rng=0)
    >>> table = scpi.design.minimal_effect(adata, n_cells=[20, 200], n_bins=1, n_simulations=2, progress=False)
    >>> few, many = table.groupby("n_cells")["minimal_log2fc"].first()
    >>> bool(many < few)
    True
    """
    steps = np.asarray(log2fc, dtype=np.float64)
    if steps.ndim != 1 or not len(steps) or (steps < 0).any() or (np.diff(steps) <= 0).any():
        msg = f"`log2fc` must be numbers of at least 0 in ascending order, but is {listed(np.ravel(log2fc))}."
        raise ValueError(msg)
    if not (0 < target_power < 1 and 0 < fraction <= 1 and n_bins >= 1):
        msg = (
            "`target_power` must be between 0 and 1, `fraction` above 0 and at most 1, and `n_bins` at least 1, but they are "
            f"{target_power}, {fraction} and {n_bins}."
        )
        raise ValueError(msg)
    view = View.of(data, mod, layer).of_counts()
    names = [f"log2fc {step:g}" for step in steps]
    pilot = Pilot.of_controls(view, groupby, reference=reference, names=names, sample_key=sample_key)
    sizes = all_sizes(pilot, n_cells=n_cells, n_controls=n_controls, n_replicates=n_replicates, depth=depth)
    check_test(test, sample_key, sizes, pval_cutoff, n_simulations)
    seed = int(as_generator(rng).integers(2**31))
    columns = (groupby, sample_key or REPLICATE)
    means = pilot.mean_counts()
    bins = _bins(means, min_mean, n_bins)

    def compute(size: Size) -> pd.DataFrame:
        planted, found = np.zeros((2, len(steps), n_bins))
        for i in range(n_simulations):
            generator = np.random.default_rng([seed, i])
            changed = generator.random((len(steps), len(means))) < fraction
            sign = generator.choice([-1.0, 1.0], changed.shape)
            effects = changed * sign * steps[:, None] * np.log(2.0)
            adata = simulate(pilot, size, effects, generator, columns=columns)
            both = pvals_of(adata, columns, reference=pilot.reference, groups=names, test=test, options=options)
            called = both[int(adjust)] <= pval_cutoff
            for code in range(n_bins):
                planted[:, code] += changed[:, bins == code].sum(axis=1)
                found[:, code] += (changed & called)[:, bins == code].sum(axis=1)
        power = np.divide(found, planted, out=np.full_like(found, np.nan), where=planted > 0)
        return pd.concat(
            [_of_bin(steps, power[:, code], means[bins == code], target_power) for code in range(n_bins)],
            ignore_index=True,
        )

    depends_on = {
        "counts": view.counts,
        "codes": [pilot.codes, pilot.sample],
        "settings": [
            test,
            steps,
            target_power,
            n_bins,
            fraction,
            adjust,
            min_mean,
            pval_cutoff,
            n_simulations,
            seed,
            options,
        ],
        "columns": list(columns),
    }
    return run_sizes(sizes, compute, name="minimal_effect", depends_on=depends_on, out=out, progress=progress)


def _bins(means: NDArray[np.float64], min_mean: float, n_bins: int) -> NDArray[np.intp]:
    """Assign genes to equally large groups by mean count; -1 for genes with too few counts."""
    kept = np.flatnonzero(means >= min_mean)
    if len(kept) < n_bins:
        msg = f"{len(kept)} gene(s) have a mean count of min_mean={min_mean} or more in control cells, for {n_bins} group(s)."
        raise ValueError(msg)
    bins = np.full(len(means), -1, dtype=np.intp)
    for code, genes in enumerate(np.array_split(kept[np.argsort(means[kept], kind="stable")], n_bins)):
        bins[genes] = code
    return bins


def _of_bin(
    steps: NDArray[np.float64], power: NDArray[np.float64], means: NDArray[np.float64], target: float
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "mean_from": means.min(),
            "mean_to": means.max(),
            "n_genes": len(means),
            "log2fc": steps,
            "power": power,
            "minimal_log2fc": _reached(steps, power, target),
        }
    )


def _reached(steps: NDArray[np.float64], power: NDArray[np.float64], target: float) -> float:
    """Find where the power, made monotone and starting at no change, first reaches the target."""
    rising = np.maximum.accumulate(np.nan_to_num(power))
    above = np.flatnonzero(rising >= target)
    if not len(above):
        return float(np.inf)
    first = int(above[0])
    x0, y0 = (steps[first - 1], rising[first - 1]) if first else (0.0, 0.0)
    x1, y1 = steps[first], rising[first]
    return float(x1 if y1 == y0 else x0 + (target - y0) / (y1 - y0) * (x1 - x0))
