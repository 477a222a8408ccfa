"""Divisions of the cells of a screen: what is learned from, and what is predicted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi._screen._conditions import ScreenLabels


_SHARED = " With `reference_fraction=0` one serves for both, as that of profiles of conditions has to."

_PARTS = ("train", "validation", "test", "start", "reference")


def _no_cells() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Split:
    """Cells to learn from and cells to predict, as positions in the data."""

    name: str = ""
    """What was left out."""
    train: NDArray[np.int64]
    """Cells to learn from, controls included."""
    validation: NDArray[np.int64] = field(default_factory=_no_cells)
    """Cells that a training is watched with."""
    test: NDArray[np.int64] = field(default_factory=_no_cells)
    """Cells to predict: perturbed ones in a benchmark."""
    start: NDArray[np.int64] = field(default_factory=_no_cells)
    """Control cells that predictions start from. Models may have learned from them."""
    reference: NDArray[np.int64] = field(default_factory=_no_cells)
    """Control cells against which the measured change is taken.

    They are neither learned from nor started from, so that the noise of a shared control does not pass for skill, unless
    all controls serve for everything.
    """

    def __repr__(self) -> str:
        sizes = ", ".join(f"{part} {len(getattr(self, part)):,}" for part in _PARTS)
        return f"Split({self.name!r}, cells: {sizes})"

    @property
    def sets(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Training, validation and test cells: what ``external_indexing`` of a model takes."""
        return self.train, self.validation, self.test


def split_cells(
    strata: NDArray[np.integer],
    *,
    train_size: float = 0.8,
    validation_size: float | None = None,
    held_out: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
) -> Split:
    """Divide the cells of every stratum at random into training, validation and test sets.

    Every stratum keeps at least one cell for training. Controls are a stratum like any other, so that no control cell
    serves in two sets. The sizes are fractions of the cells of a stratum; all that is not for training is for
    validation if ``validation_size`` is ``None``, and what is left is the test set, as are the cells ``held_out``. A
    `ValueError` says if the fractions are not between 0 and 1, or sum to more than 1.
    """
    validation_size = 1.0 - train_size if validation_size is None else validation_size
    if not 0 < train_size <= 1 or not 0 <= validation_size <= 1 or train_size + validation_size > 1 + 1e-9:
        msg = (
            f"`train_size` ({train_size}) and `validation_size` ({validation_size}) must be fractions that sum to <= 1."
        )
        raise ValueError(msg)
    # Rounding must not leave a cell for a test set that was not asked for.
    takes_rest = train_size + validation_size > 1 - 1e-9
    held_out = np.zeros(len(strata), dtype=bool) if held_out is None else held_out
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [np.flatnonzero(held_out)])
    kept = np.flatnonzero(~held_out)
    order = kept[np.argsort(strata[kept], kind="stable")]
    boundaries = np.flatnonzero(np.diff(strata[order])) + 1
    for cells in np.split(order, boundaries):
        shuffled = rng.permutation(cells)
        n_train = max(1, round(train_size * len(cells)))
        n_rest = len(cells) - n_train
        n_validation = n_rest if takes_rest else min(n_rest, round(validation_size * len(cells)))
        for part, chunk in zip(parts, np.split(shuffled, [n_train, n_train + n_validation]), strict=True):
            part.append(chunk)
    train, validation, test = (np.sort(np.concatenate(part)).astype(np.int64) for part in parts)
    return Split(train=train, validation=validation, test=test)


def leave_out(
    labels: ScreenLabels, name: str, test: NDArray[np.bool_], *, reference_fraction: float, rng: np.random.Generator
) -> Split:
    """Leave perturbed cells out, and set a fraction of the controls of their contexts aside.

    ``test`` is whether each of the labelled cells is left out. With a ``reference_fraction`` of 0 all controls are both
    learned from and compared with. A `ValueError` names a context of the test cells that has too few.
    """
    concerned = np.isin(labels.context, np.unique(labels.context[test])) & labels.is_control
    reference = concerned & draw_fraction(concerned, labels.context, reference_fraction, rng)
    start = concerned & ~reference if reference_fraction else concerned
    for context in np.unique(labels.context[test]):
        own = labels.context == context
        if not (start & own).any() or (reference_fraction and not (reference & own).any()):
            where = f" of {context!r}" if context else ""
            msg = (
                f"There are {int((concerned & own).sum())} control cell(s){where}, but at least "
                f"{2 if reference_fraction else 1} are needed to predict its perturbed cells and to compare them."
                f"{_SHARED if reference_fraction and (concerned & own).any() else ''}"
            )
            raise ValueError(msg)
    train = ~(test | reference) if reference_fraction else ~test
    used = {"train": train, "test": test, "start": start, "reference": reference if reference_fraction else concerned}
    return Split(name=name, **{key: np.sort(labels.cells[mask]) for key, mask in used.items()})


def draw_fraction(
    among: NDArray[np.bool_], strata: NDArray[Any], fraction: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """A fraction of the cells of each stratum, at random, among those that may be drawn."""
    drawn = np.zeros(len(among), dtype=bool)
    for name in np.unique(strata[among]):
        own = np.flatnonzero(among & (strata == name))
        drawn[rng.permutation(own)[: round(fraction * len(own))]] = True
    return drawn
