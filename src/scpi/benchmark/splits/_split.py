"""What a division of cells is, and what all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi._screen._conditions import ScreenLabels


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


def make_split(
    labels: ScreenLabels, name: str, test: NDArray[np.bool_], *, reference_share: float, rng: np.random.Generator
) -> Split:
    """Leave perturbed cells out, and set a share of the controls of their contexts aside.

    Raises
    ------
    ValueError
        If a context of the test cells has too few controls.
    """
    concerned = np.isin(labels.context, np.unique(labels.context[test])) & labels.is_control
    reference = concerned & draw(concerned, labels.context, reference_share, rng)
    start = concerned & ~reference if reference_share else concerned
    for context in np.unique(labels.context[test]):
        own = labels.context == context
        if not (start & own).any() or (reference_share and not (reference & own).any()):
            where = f" of {context!r}" if context else ""
            msg = (
                f"There are {int((concerned & own).sum())} control cell(s){where}, but at least "
                f"{2 if reference_share else 1} are needed to predict its perturbed cells and to compare them."
            )
            raise ValueError(msg)
    train = ~(test | reference) if reference_share else ~test
    used = {"train": train, "test": test, "start": start, "reference": reference if reference_share else concerned}
    return Split(name=name, **{key: np.sort(labels.cells[mask]) for key, mask in used.items()})


def draw(among: NDArray[np.bool_], strata: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A share of the cells of each stratum, at random."""
    drawn = np.zeros(len(among), dtype=bool)
    for name in np.unique(strata[among]):
        own = np.flatnonzero(among & (strata == name))
        drawn[rng.permutation(own)[: round(share * len(own))]] = True
    return drawn


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
