"""Cells of a screen for a comparison with the controls: their representation and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scpi._components import principal_axes
from scpi._groups import choose_groups, group_sizes
from scpi._screen._labels import Labelling
from scpi._screen._matrix import as_dense, as_matrix
from scpi._sequence import as_list
from scpi._slots import listed
from scpi._source_cells import warn_of_source_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi._view import View


@dataclass(frozen=True, eq=False)
class LabelledCells:
    """Cells with their perturbation, batch and guide. All arrays are over the cells of the data."""

    values: NDArray[np.float64]
    """Representation, cells x components, centred within batches."""
    codes: NDArray[np.intp]
    """0 for a control cell, 1, 2, ... for the perturbations, negative for cells that are left out."""
    names: list[str]
    """Perturbations, in the order of their codes from 1 on."""
    control: str
    """Name of the control."""
    batch: NDArray[np.intp]
    """Batch of each cell; 0 without batches."""
    guide: NDArray[np.intp] | None
    """Guide of each cell in `guide_names`."""
    guide_names: list[str]
    """Names of the guides."""

    def of(self, code: int) -> NDArray[np.intp]:
        """Find the positions of the cells of a code."""
        return np.flatnonzero(self.codes == code)

    def sample(self, code: int, n_max: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw at most `n_max` cells of a code, as positions in ascending order."""
        cells = self.of(code)
        return cells if len(cells) <= n_max else np.sort(rng.choice(cells, n_max, replace=False))


def read_labelled_cells(
    view: View,
    *,
    perturbation_key: str,
    control: Label | Sequence[Label],
    groups: Label | Sequence[Label] | Literal["all"],
    delimiter: str | None,
    min_cells: int,
    batch_key: str | None,
    guide_key: str | None,
    use_rep: str | None,
    n_components: int,
    rng: np.random.Generator,
    exclude_targets: bool = False,
) -> LabelledCells:
    """Read the cells of a screen from the arguments of a public function.

    Cells without a label, a batch or a guide are left out.
    """
    if n_components < 1 or min_cells < 2:
        name, value, least = ("n_components", n_components, 1) if n_components < 1 else ("min_cells", min_cells, 2)
        msg = f"`{name}` must be at least {least}, but is {value}."
        raise ValueError(msg)
    labelling = Labelling.of(control, delimiter)
    labels = labelling.read(view.labels(perturbation_key, "perturbation_key"))
    used = np.asarray(labels.codes >= 0)
    batch = None if batch_key is None else view.labels(batch_key, "batch_key")
    guide = None if guide_key is None else view.labels(guide_key, "guide_key")
    for other in (batch, guide):
        if other is not None:
            used &= other.codes >= 0
    labels = pd.Categorical.from_codes(np.where(used, labels.codes, -1), categories=labels.categories)
    sizes = group_sizes(labels)
    if sizes.get(labelling.control, 0) < min_cells:
        msg = (
            f"`obs[{perturbation_key!r}]` has {sizes.get(labelling.control, 0)} cell(s) of the control {labelling.control!r}, "
            f"but at least {min_cells} are needed. Its labels are {listed(sizes)}."
        )
        raise ValueError(msg)
    asked = (
        groups if isinstance(groups, str) and groups == "all" else [_named(one, labelling) for one in as_list(groups)]
    )
    names = choose_groups(sizes, perturbation_key, asked, labelling.control, min_cells)
    place = pd.Index([labelling.control, *names]).get_indexer(labels.categories)
    codes = np.where(used, place[labels.codes], -1).astype(np.intp)
    warn_of_source_cells(view.adata.obs, codes, [0])
    batches = np.zeros(len(codes), dtype=np.intp) if batch is None else np.asarray(batch.codes, dtype=np.intp)
    targets = set(labelling.vocabulary(labels.categories)) if exclude_targets else set()
    values = _representation(view, use_rep, n_components, used, targets, int(rng.integers(2**31)))
    return LabelledCells(
        values=centre(values, np.where(used, batches, -1)),
        codes=codes,
        names=names,
        control=labelling.control,
        batch=batches,
        guide=None if guide is None else np.asarray(guide.codes, dtype=np.intp),
        guide_names=[] if guide is None else [str(name) for name in guide.categories],
    )


def centre(values: NDArray[np.float64], batch: NDArray[np.intp]) -> NDArray[np.float64]:
    """Subtract the mean of each batch from its cells; cells with a negative batch become 0."""
    centred = np.zeros_like(values)
    for code in np.unique(batch[batch >= 0]):
        cells = batch == code
        centred[cells] = values[cells] - values[cells].mean(axis=0)
    return centred


def _named(label: Label, labelling: Labelling) -> str:
    return labelling.canonical(label) or str(label)


def _representation(
    view: View, use_rep: str | None, n_components: int, used: NDArray[np.bool_], targets: set[str], seed: int
) -> NDArray[np.float64]:
    """Read or compute the representation, cells x components, with principal components of the used cells and genes."""
    if use_rep is not None:
        if targets:
            msg = "`exclude_targets` needs genes: compute the representation without them, or omit `use_rep`."
            raise ValueError(msg)
        if use_rep not in view.adata.obsm:
            msg = f"`use_rep` names {use_rep!r}, but `adata.obsm` has only {listed(view.adata.obsm)}."
            raise KeyError(msg)
        values = as_dense(as_matrix(view.adata.obsm[use_rep]), np.float64)
        if values.ndim != 2 or not np.isfinite(values[used]).all():
            msg = f"`adata.obsm[{use_rep!r}]` must be cells x components without NaN or infinite values."
            raise ValueError(msg)
        return values
    expression = view.expression().tested
    kept = ~view.adata.var_names.isin(targets)
    if not kept.any():
        msg = "No gene is left with `exclude_targets`: all have the name of a perturbation."
        raise ValueError(msg)
    expression = expression if kept.all() else expression[:, kept]
    if expression.shape[1] <= n_components:
        return as_dense(expression, np.float64)
    axes = principal_axes(expression[used], n_components, seed)
    if axes is None:
        msg = f"`{view.name}` has no principal components, as all cells are the same."
        raise ValueError(msg)
    return np.asarray(expression @ axes.T, dtype=np.float64)
