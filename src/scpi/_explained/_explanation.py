"""Parts that a predicted change is the sum of, as a model knows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GENES = "genes"
"""Kind of the null of the genes, beside those of the parts."""


class Parts(NamedTuple):
    """One way to divide a change."""

    names: list[str]
    contributions: Floats
    """What each part adds to the change, parts x genes."""
    weights: Floats
    """What comes in: of measured effects their weight, of units of a network by how much they are shifted."""
    is_named: NDArray[np.bool_]
    """Whether a part is something by itself that can be taken out, and not what the others leave."""
    is_tested: NDArray[np.bool_]
    """Whether the null says something about it."""


class Explanation(ABC):
    """A predicted change, and what it is made of."""

    is_pooled: ClassVar[bool] = False
    """Whether the parts of one kind, and the genes, are alike under the null, so that they share one."""

    change: Floats
    """What is explained, (n_genes,)."""
    common: Floats
    """What is predicted of every perturbation, (n_genes,): the parts of each kind add up to the rest."""
    parts: Mapping[str, Parts]
    """Parts by their kind."""

    @property
    def special(self) -> Floats:
        """The change beyond what is predicted of every perturbation."""
        return np.asarray(self.change - self.common)

    @abstractmethod
    def without(self, kind: str, places: NDArray[np.intp]) -> Floats:
        """The change beyond the common one where the model has to do without some parts, (n_genes,)."""

    @abstractmethod
    def observed(self) -> Mapping[str, Floats]:
        """Statistic of each part by kind, and of the genes, which is large where it is more than chance."""

    @abstractmethod
    def null(self, n: int, rng: np.random.Generator) -> Iterator[Mapping[str, Floats]]:
        """The same statistics, draws x parts or genes, of ``n`` models that have learned nothing, some at a time."""


def shares(contributions: Floats, whole: Floats) -> Floats:
    """Fraction of a change that each part carries, with its sign; their sum is 1 if the parts add up to it.

    It is the product of the part with the change, over that of the change with itself; 0 where there is no change.
    """
    squared = float(whole @ whole)
    return contributions @ whole / squared if squared > 0 else np.zeros(len(contributions))
