from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi._view import View
from scpi._warn import warn_user
from scpi.de import false_discovery_control
from scpi.tl._energy_test import Controls, compare_cells, compare_guides, guide_sums
from scpi.tl._labelled_cells import read_labelled_cells
from scpi.tl._relabel import n_labellings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.tl._energy_test import EnergyTest
    from scpi.tl._labelled_cells import LabelledCells


@fill
def perturbation_effect(
    data: AnnData | MuData,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Label | Sequence[Label] = "control",
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    batch_key: str | None = None,
    guide_key: str | None = None,
    n_permutations: int = 1000,
    pval_cutoff: float = 0.05,
    n_cells: int = 1000,
    exclude_targets: bool = False,
    use_rep: str | None = None,
    n_components: int = 20,
    layer: str | None = None,
    delimiter: str | None = "+",
    min_cells: int = 10,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Test whether each perturbation has an effect, by the energy distance of its cells from the control cells.

    The null hypothesis is that the cells of a perturbation and the control cells of the same batch come from the same
    distribution. Labels are permuted over the cells within batches.

    Cells with the same guide may be more similar than cells with different guides, for example because they descend
    from a few clones. The permutation of cells then finds a difference between any two sets of guides. With
    `guide_key`, whole guides of the perturbation and of the controls are permuted as well, and the p-value is the
    larger of the two. The null hypothesis is then that the guides of the perturbation come from the same distribution
    as those of the controls. The p-value cannot be smaller than one over the number of ways to choose the guides. With
    nine control guides, there are 715 ways for four guides, and ten for one guide. A warning is issued if there are too
    few.

    Parameters
    ----------
    %(data)s
    %(cells_perturbation_key)s
    %(batch_key)s
    guide_key
        Column of `adata.obs` with the guide of each cell. The controls need at least two guides.
    n_permutations
        Maximum number of permutations. If fewer exist, all are used.
    %(effect_pval_cutoff)s
    n_cells
        Maximum number of cells per perturbation, and of control cells, drawn at random.
    exclude_targets
        Whether to leave out genes that are named like a perturbation, so that the loss of a knocked-out gene does not
        count as an effect. Not with `use_rep`.
    %(cells_use_rep)s
    %(rng)s
    %(written_key_added)s

    `adata.uns['perturbation_effect' | key_added]` : :class:`dict`
        - `results`: DataFrame with one row per perturbation, largest score first, with `perturbation`, `n_cells`,
          `distance` (energy distance, 0 on average without an effect), `score` (distance over its expected value
          without an effect; about 1 if there is none), `pval`, `pval_adj` (Benjamini-Hochberg over the perturbations)
          and `active` (`pval_adj` of at most `pval_cutoff`). `guide_key` adds `n_guides`, `pval_cells` and
          `pval_guides`, and the score then accounts for differences between the control guides.
        - `params`.

    Raises
    ------
    %(cells_KeyError)s

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> adata = AnnData(np.zeros((60, 1)), obs={"perturbation": ["control"] * 40 + ["A"] * 20})
    >>> adata.obsm["X_pca"] = np.random.default_rng(0).normal(size=(60, 3))
    >>> adata.obsm["X_pca"][40:, 0] += 3
    >>> scpi.tl.perturbation_effect(adata, use_rep="X_pca")
    >>> scpi.get.perturbation_effect(adata)["active"].tolist()
    [True]
    """
    key_added = Key.uns.PERTURBATION_EFFECT if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    if n_permutations < 1 or n_cells < 2 or not 0 < pval_cutoff < 1:
        msg = (
            "`n_permutations` must be at least 1, `n_cells` at least 2 and `pval_cutoff` between 0 and 1, but they are "
            f"{n_permutations}, {n_cells} and {pval_cutoff}."
        )
        raise ValueError(msg)
    generator = as_generator(rng)
    cells = read_labelled_cells(
        view,
        perturbation_key=perturbation_key,
        control=control,
        groups=groups,
        delimiter=delimiter,
        min_cells=min_cells,
        batch_key=batch_key,
        guide_key=guide_key,
        use_rep=use_rep,
        n_components=n_components,
        rng=generator,
        exclude_targets=exclude_targets,
    )
    results = _test(cells, n_permutations, n_cells, pval_cutoff, generator)
    results["pval_adj"] = false_discovery_control(results["pval"])
    results["active"] = results["pval_adj"] <= pval_cutoff
    order = np.lexsort([-results["score"], results["pval"], ~results["active"]])
    stored = {
        "params": result_params(
            perturbation_key=perturbation_key,
            control=cells.control,
            batch_key=batch_key,
            guide_key=guide_key,
            n_permutations=n_permutations,
            pval_cutoff=pval_cutoff,
            n_cells=n_cells,
            exclude_targets=exclude_targets,
            use_rep=use_rep,
            n_components=cells.values.shape[1],
            n_reference=len(cells.of(0)),
        ),
        "results": results.iloc[order].reset_index(drop=True),
    }
    result, target = view.output(copy)
    target.uns[key_added] = stored
    return result


def _test(
    cells: LabelledCells, n_permutations: int, n_cells: int, pval_cutoff: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Test each perturbation, one row each in the given order."""
    chosen = cells.sample(0, n_cells, rng)
    controls = Controls.of(cells.values[chosen], cells.batch[chosen])
    guides = None if cells.guide is None else _GuideTest(cells, chosen, n_permutations)
    rows, few = [], []
    for code, name in enumerate(cells.names, start=1):
        own = cells.sample(code, n_cells, rng)
        found = compare_cells(
            cells.values[own], controls, strata=cells.batch[own], n_permutations=n_permutations, rng=rng
        )
        row = {"perturbation": name, "n_cells": len(cells.of(code))}
        if guides is None:
            row |= found._asdict()
        else:
            of_guides, n_guides, least = guides(own, rng)
            pvals = {"pval_cells": found.pval, "pval_guides": of_guides.pval}
            row |= {"n_guides": n_guides, "distance": found.distance, "score": of_guides.score, **pvals}
            row["pval"] = max(pvals.values())
            if least > pval_cutoff:
                few.append(name)
        rows.append(row)
    if few:
        warn_user(
            f"{len(few)} perturbations, such as {few[0]!r}, have too few guides to be significant at {pval_cutoff:g}, as the "
            "p-value is at least one over the number of ways to choose their guides from all guides, including those of "
            "the controls. A test needs more control guides, or no `guide_key`."
        )
    return pd.DataFrame(rows).astype({"perturbation": object})


class _GuideTest:
    """Test of whole guides against those of the controls."""

    def __init__(self, cells: LabelledCells, controls: NDArray[np.intp], n_permutations: int) -> None:
        assert cells.guide is not None  # for the type checker
        self.cells, self.controls, self.n_permutations = cells, controls, n_permutations
        self.names, self.codes = np.unique(cells.guide[controls], return_inverse=True)
        if len(self.names) < 2:
            msg = (
                f"The control cells have {len(self.names)} guide, but at least 2 are needed to see how much guides differ. "
                "Omit `guide_key` to compare cells."
            )
            raise ValueError(msg)
        self.within = guide_sums(cells.values[controls], self.codes, len(self.names))
        self.sizes = np.bincount(self.codes)

    def __call__(self, own: NDArray[np.intp], rng: np.random.Generator) -> tuple[EnergyTest, int, float]:
        """Test cells, count their guides, and find the smallest possible p-value."""
        assert self.cells.guide is not None  # for the type checker
        values = self.cells.values
        names, codes = np.unique(self.cells.guide[own], return_inverse=True)
        n = len(names)
        between = guide_sums(values[own], codes, n, values[self.controls], self.codes)
        sums = np.block([[guide_sums(values[own], codes, n), between], [between.T, self.within]])
        found = compare_guides(
            sums, np.r_[np.bincount(codes), self.sizes], n, n_permutations=self.n_permutations, rng=rng
        )
        n_ways = n_labellings(np.arange(len(sums)) < n, np.zeros(len(sums)))
        return found, n, 1 / min(n_ways, self.n_permutations + 1)
