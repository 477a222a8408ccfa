"""What a division of cells is, and what all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._screen._labels import canonical_label
from scpi._slots import listed, read_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Cells to learn from and cells to predict, as positions in the data."""

    name: str
    """What was left out."""
    train: NDArray[np.int64]
    """Cells to learn from, controls included."""
    test: NDArray[np.int64]
    """Perturbed cells to predict."""
    start: NDArray[np.int64]
    """Control cells that predictions start from. Models may have learned from them."""
    reference: NDArray[np.int64]
    """Control cells against which the measured change is taken.

    They are neither learned from nor started from, so that the noise of a shared control does not pass for skill, unless
    all controls serve for everything.
    """


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels:
    """Labels of the cells of a screen that a split looks at.

    Attributes
    ----------
    cells
        Positions of the cells, in ascending order.
    perturbation
        Canonical label of each.
    is_control
        Whether each is a control.
    context
        Context of each, as a word; empty without.
    dose
        Dose of each; 1 without, and 0 for controls.
    """

    cells: NDArray[np.int64]
    perturbation: NDArray[np.object_]
    is_control: NDArray[np.bool_]
    context: NDArray[np.object_]
    dose: NDArray[np.float64]

    def where(self, cells: NDArray[np.int64]) -> NDArray[np.intp]:
        """Places of cells among those that have labels; all of them must."""
        return np.searchsorted(self.cells, cells)

    def split(self, name: str, test: NDArray[np.bool_], *, reference_share: float, rng: np.random.Generator) -> Split:
        """Leave perturbed cells out, and set a share of the controls of their contexts aside.

        Raises
        ------
        ValueError
            If a context of the test cells has too few controls.
        """
        concerned = np.isin(self.context, np.unique(self.context[test])) & self.is_control
        reference = concerned & draw(concerned, self.context, reference_share, rng)
        start = concerned & ~reference if reference_share else concerned
        for context in np.unique(self.context[test]):
            own = self.context == context
            if not (start & own).any() or (reference_share and not (reference & own).any()):
                where = f" of {context!r}" if context else ""
                msg = (
                    f"There are {int((concerned & own).sum())} control cell(s){where}, but at least "
                    f"{2 if reference_share else 1} are needed to predict its perturbed cells and to compare them."
                )
                raise ValueError(msg)
        train = ~(test | reference) if reference_share else ~test
        used = {"train": train, "test": test, "start": start, "reference": reference if reference_share else concerned}
        return Split(name=name, **{key: np.sort(self.cells[mask]) for key, mask in used.items()})


def draw(
    among: NDArray[np.bool_], strata: NDArray[np.object_], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """A share of the cells of each stratum, at random."""
    drawn = np.zeros(len(among), dtype=bool)
    for name in np.unique(strata[among]):
        own = np.flatnonzero(among & (strata == name))
        drawn[rng.permutation(own)[: round(share * len(own))]] = True
    return drawn


def read_screen(
    adata: AnnData,
    *,
    perturbation_key: str,
    control: str,
    delimiter: str,
    context_key: str | None,
    dose_key: str | None,
    cells: ArrayLike | None,
) -> Labels:
    """Labels of the cells that a split looks at, checked.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If there is no control cell or no perturbed one.
    """
    chosen = np.arange(adata.n_obs) if cells is None else np.unique(np.asarray(cells, dtype=np.int64))
    raw = read_labels(adata, perturbation_key)
    spelling = [canonical_label(label, control=control, delimiter=delimiter) for label in raw.categories]
    labels = np.array([*spelling, ""], dtype=object)[raw.codes][chosen]
    is_control = labels == control
    kept = labels != ""
    if not is_control.any() or (is_control | ~kept).all():
        missing = "perturbed" if is_control.any() else "control"
        msg = (
            f"There is no {missing} cell: `adata.obs[{perturbation_key!r}]` holds {listed(sorted(set(labels)))}, and the "
            f"control is {control!r}."
        )
        raise ValueError(msg)
    context = np.full(len(chosen), "", dtype=object)
    if context_key is not None:
        context = np.asarray(read_labels(adata, context_key).astype(object), dtype=object)[chosen]
        kept &= ~pd.isna(context)
    dose = (~is_control).astype(np.float64)
    if dose_key is not None:
        values = pd.to_numeric(adata.obs[dose_key], errors="coerce").to_numpy(dtype=np.float64)[chosen]
        dose = np.where(is_control, 0.0, values)
    return Labels(
        cells=chosen[kept],
        perturbation=labels[kept],
        is_control=is_control[kept],
        context=context[kept],
        dose=dose[kept],
    )


def choose(given: Sequence[str] | str | None, there: Sequence[str], what: str) -> list[str]:
    """What was asked for, all if nothing was; every one of them must be there."""
    if given is None:
        return list(there)
    chosen = [given] if isinstance(given, str) else [str(name) for name in given]
    unknown = [name for name in chosen if name not in there]
    if unknown:
        msg = f"There is no {what} {listed(unknown)} to leave out, only {listed(there)}."
        raise ValueError(msg)
    return chosen
