"""A division of cells, as the checks of an audit look at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._keys import Key
from scpi._screen._labels import text_labels
from scpi._slots import read_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi._screen._conditions import ScreenLabels
    from scpi._screen._split import Split

    Places = NDArray[np.int64]

# Of the cells of a condition: with less in training, the condition counts as left out
_FEWEST = 0.2


class Stratum(NamedTuple):
    """A condition in a context."""

    context: str
    label: str
    doses: tuple[float, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Audited:
    """A division of a screen, and what is known of the data and the models.

    ``cells`` are all that the division names. ``reads`` are names of entries that models read, ``None`` if unknown.
    """

    adata: AnnData
    layer: str | None
    labels: ScreenLabels
    perturbation_key: str
    split: Split
    exclude_targets: bool
    features_key: str
    apart: Sequence[str]
    reads: Sequence[str] | None
    seed: int

    @cached_property
    def x(self) -> Any:
        """Expression on which predictions are compared, CSR or dense."""
        return read_layer(self.adata, self.layer)

    @cached_property
    def counts(self) -> Any:
        """Counts if there is a layer of this name, or else the expression."""
        return read_layer(self.adata, Key.layers.COUNTS) if Key.layers.COUNTS in self.adata.layers else self.x

    @property
    def test(self) -> Places:
        """Cells to predict."""
        return self.split.test

    @cached_property
    def train(self) -> Places:
        """Cells to learn from, and those that a training is watched with."""
        return np.union1d(self.split.train, self.split.validation)

    @cached_property
    def known(self) -> Places:
        """All cells of the data but those to predict."""
        return np.setdiff1d(np.arange(self.adata.n_obs), self.test)

    @cached_property
    def perturbed_train(self) -> Places:
        """Perturbed cells to learn from."""
        return self.train[~self.labels.is_control[self.labels.where(self.train)]]

    def stratum(self, cell: int) -> Stratum:
        """Condition and context of a cell."""
        at = self.labels.where(np.array([cell]))[0]
        condition = self.labels.conditions[self.labels.condition[at]]
        return Stratum(str(self.labels.context[at]), condition.label, condition.doses)

    def strata(self, cells: Places) -> dict[Stratum, Places]:
        """Cells by condition and context."""
        codes = self.labels.stratum[self.labels.where(cells)]
        return {self.stratum(cells[codes == code][0]): cells[codes == code] for code in np.unique(codes)}

    @cached_property
    def test_strata(self) -> dict[Stratum, Places]:
        """Cells to predict, by condition and context."""
        return self.strata(self.test)

    @cached_property
    def train_strata(self) -> dict[Stratum, Places]:
        """Perturbed cells to learn from, by condition and context."""
        return self.strata(self.perturbed_train)

    @cached_property
    def leaves_conditions_out(self) -> bool:
        """Whether whole conditions are to be predicted, and not further cells of conditions that are learned from."""
        n_shared = 0
        for stratum, cells in self.test_strata.items():
            n = len(self.alike(stratum))
            n_shared += len(cells) if n > _FEWEST * (len(cells) + n) else 0
        return n_shared <= len(self.test) / 2

    def alike(self, stratum: Stratum) -> Places:
        """Cells to learn from of a condition to predict, under a label that is written the same."""
        cells = self.test_strata[stratum]
        there = np.setdiff1d(self.train_strata.get(stratum, cells[:0]), self.test)
        return there[np.isin(self.written[there].astype(str), self.written[cells].astype(str))]

    @cached_property
    def written(self) -> NDArray[np.object_]:
        """Label of every cell of the data as it is written; empty where there is none."""
        found = text_labels(self.adata.obs[self.perturbation_key])
        return np.array([*found.categories, ""], dtype=object)[found.codes]

    def named(self, cells: Places, n: int = 3) -> str:
        """Names of some cells."""
        return ", ".join(repr(str(name)) for name in self.adata.obs_names[cells[:n]])
