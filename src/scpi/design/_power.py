from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._view import View
from scpi.design._called import pvals_of
from scpi.design._experiments import all_sizes, check_test, run_sizes
from scpi.design._pilot import Pilot
from scpi.design._simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

    from scpi._groups import Label
    from scpi.design._simulate import Size

REPLICATE = "replicate"
_LOG2 = np.log(2.0)


@fill
def power(
    data: AnnData | MuData,
    groupby: str = Key.obs.PERTURBATION,
    *,
    reference: Label = "control",
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    n_cells: Sequence[int] | int = (25, 50, 100, 200),
    n_controls: int | None = None,
    n_replicates: Sequence[int] | int = 1,
    n_guides: Sequence[int] | int = 1,
    depth: Sequence[float] | float = 1.0,
    test: str = "wilcoxon",
    sample_key: str | None = None,
    guide_key: str | None = None,
    log2fc_min: float = 0.5,
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
    """Predict how many of the changed genes experiments of several sizes will find, from a pilot.

    The estimated log fold changes of the pilot are true effects plus noise. A mixture of normal distributions is fitted
    to each perturbation, and effects are drawn from its posterior, so that noise does not inflate weak effects. Each
    simulated experiment draws control cells of the pilot with replacement, multiplies the rates of the perturbed cells
    by the effects, and calls genes by a test of `scpi.de`.

    Parameters
    ----------
    data
        Counts of the pilot, cells x genes, or a MuData together with ``mod``.
    groupby
        Column of `adata.obs` with the perturbation of each cell.
    reference
        Label of the control cells.
    groups
        Perturbations to simulate; all if `"all"`.
    n_cells
        Number of cells per perturbation and replicate.
    n_controls
        Number of control cells per replicate; as many as in a sample of the pilot if `None`.
    n_replicates
        Number of samples (donors, cultures), with cells of all perturbations and of the control. They are drawn from
        those of the pilot, and log fold changes vary between them as in the pilot.
    n_guides
        Number of guides per perturbation, drawn from those of the pilot, which differ in efficacy.
    depth
        Sequencing depth of the cells, relative to the pilot.
    test
        Test of `scpi.de.methods`, or `"limma"`.
    sample_key
        Column of `adata.obs` with the sample of each cell. In simulated experiments, it names the replicates.
    guide_key
        Column of `adata.obs` with the guide of each cell.
    log2fc_min
        Minimum absolute log2 fold change of a changed gene.
    min_mean
        Minimum mean count of a gene in the control cells, at the depth of the pilot. Other genes are ignored.
    pval_cutoff
        Largest adjusted p-value of a gene that is found.
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
    One row per size and perturbation, with the columns:

    - `n_changed`: mean number of changed genes.
    - `power`: fraction of the changed genes that is found, with its `standard_error` over simulations.
    - `n_found`: mean number of genes that are found.
    - `false_discovery_rate`: fraction of the found genes without any change.
    - `detected`: fraction of the experiments that find any gene.

    Raises
    ------
    KeyError
        If a column or the layer does not exist.
    ValueError
        If a size, the test or a group is unknown or impossible, or the values are not counts.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=50, rng=0)
    >>> table = scpi.design.power(adata, groups="all", n_cells=[10, 100], n_simulations=2, progress=False)
    >>> few, many = table.groupby("n_cells")["power"].mean()
    >>> bool(few < many)
    True
    """
    view = View.of(data, mod, layer).of_counts()
    pilot = Pilot.read(view, groupby, reference=reference, groups=groups, sample_key=sample_key, guide_key=guide_key)
    sizes = all_sizes(
        pilot, n_cells=n_cells, n_controls=n_controls, n_replicates=n_replicates, n_guides=n_guides, depth=depth
    )
    check_test(test, sample_key, sizes, pval_cutoff, n_simulations)
    seed = int(as_generator(rng).integers(2**31))
    effects, between = pilot.effects(np.random.default_rng(seed))
    efficacies = None if guide_key is None else pilot.efficacies(effects)
    columns = (groupby, sample_key or REPLICATE)
    counted = pilot.mean_counts() >= min_mean

    def compute(size: Size) -> pd.DataFrame:
        # All sizes have the same effects, which reduces the noise between them
        generators = [np.random.default_rng([seed, i]) for i in range(n_simulations)]
        rows = []
        for generator in generators:
            drawn = effects.draw(generator)
            adata = simulate(pilot, size, drawn, generator, columns=columns, between=between, efficacies=efficacies)
            _, adjusted = pvals_of(
                adata, columns, reference=pilot.reference, groups=pilot.names, test=test, options=options
            )
            rows.append(_counted(drawn[:, counted], adjusted[:, counted] <= pval_cutoff, log2fc_min))
        return _summarised(np.array(rows), pilot.names)

    depends_on = {
        "counts": view.counts,
        "codes": [pilot.codes, pilot.sample, pilot.guide],
        "names": [*pilot.names, pilot.reference],
        "settings": [test, log2fc_min, min_mean, pval_cutoff, n_simulations, seed, list(columns), guide_key, options],
    }
    return run_sizes(sizes, compute, name="power", depends_on=depends_on, out=out, progress=progress)


def _counted(effects: np.ndarray, found: np.ndarray, log2fc_min: float) -> np.ndarray:
    """Count changed genes, changed and found, all found, and found but unchanged genes, groups x 4."""
    changed = np.abs(effects) >= log2fc_min * _LOG2
    return np.stack([(part).sum(axis=1) for part in (changed, changed & found, found, found & (effects == 0))], axis=1)


def _summarised(numbers: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Summarise the numbers, simulations x groups x 4, by means over simulations."""
    n = len(numbers)
    changed, right, found, wrong = np.moveaxis(numbers.astype(np.float64), 2, 0)
    power = _ratio(right.sum(axis=0), changed.sum(axis=0))
    # Standard error of a ratio of sums over the simulations
    residual = right - power * changed
    error = np.sqrt(_ratio(np.square(residual).sum(axis=0) * n, max(n - 1, 1) * np.square(changed.sum(axis=0))))
    return pd.DataFrame(
        {
            Key.obs.PERTURBATION: names,
            "n_changed": changed.mean(axis=0),
            "power": power,
            "standard_error": error if n > 1 else np.nan,
            "n_found": found.mean(axis=0),
            "false_discovery_rate": _ratio(wrong.sum(axis=0), found.sum(axis=0)),
            "detected": (found > 0).mean(axis=0),
        }
    )


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(below) > 0)
