"""A predicted change as a sum over the units of a network that a perturbation shifts."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._explained._explanation import GENES, Explanation, Parts
from scpi.model.base.explanation._path import shuffle_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from scpi.model.base.explanation._path import Path

    Floats = NDArray[np.float64]

REST = "(beyond the decoder)"
# Networks whose parameters are shuffled, at least, and cells and steps of their integrals, which need not be exact
_FEWEST, _CELLS_OF_NULL, _STEPS_OF_NULL = 10, 20, 4


class DecodedExplanation(Explanation):
    """Explanation of a network: the units that a perturbation shifts, through the decoder, and further parts.

    Parameters
    ----------
    kind
        What the units are called.
    names
        Name of each unit, the first inputs of the decoder; others are together one more part.
    module
        The network.
    path
        What the decoder of a network reads. It is called again for networks whose parameters have been shuffled, with a
        generator that puts what is no parameter into another order.
    change
        The predicted change, (n_genes,).
    condition
        Name of the part of the further inputs.
    beyond
        Further parts of the change by name, which do not go through the decoder.
    """

    is_pooled = True

    def __init__(
        self,
        kind: str,
        names: Sequence[str],
        module: nn.Module,
        path: Callable[[Any, np.random.Generator | None], Path],
        change: Floats,
        *,
        condition: str = "condition of the decoder",
        beyond: Mapping[str, Floats] | None = None,
    ) -> None:
        self._kind, self._module, self._make = kind, module, path
        self._path = path(module, None)
        self._n_units = len(names)
        n_inputs = self._path.start.shape[1]
        self._groups = [np.array([place]) for place in range(self._n_units)]
        labels = [*names]
        if n_inputs > self._n_units:
            self._groups.append(np.arange(self._n_units, n_inputs))
            labels.append(condition)
        self.change, self.common = change, np.zeros(len(change))
        self._decoded = self._path.contributions(self._groups)
        self._beyond = np.array(list((beyond or {}).values())).reshape(-1, len(change))
        made = np.vstack([self._decoded, self._beyond])
        self._rest = change - made.sum(axis=0)
        labels += [*(beyond or {}), REST]
        places = np.arange(len(labels))
        shift = (self._path.end - self._path.start).double().mean(dim=0).cpu().numpy()
        self.parts = {
            kind: Parts(
                labels,
                np.vstack([made, self._rest]),
                np.where(places < self._n_units, np.append(shift, np.zeros(len(labels)))[: len(labels)], np.nan),
                places < len(labels) - 1,
                places < self._n_units,
            )
        }

    def without(self, kind: str, places: NDArray[np.intp]) -> Floats:
        kept = np.ones(self._path.start.shape[1], dtype=bool)
        removed = {int(place) for place in places}
        for place, columns in enumerate(self._groups):
            kept[columns] = place not in removed
        n = len(self._groups)
        beyond = [row for place, row in enumerate(self._beyond, start=n) if place not in removed]
        return np.asarray(self._path.change(kept) + np.sum([*beyond, self._rest], axis=0))

    def observed(self) -> dict[str, Floats]:
        return self._statistics(self._decoded)

    def null(self, n: int, rng: np.random.Generator) -> Iterator[dict[str, Floats]]:
        """Statistics of networks whose parameters have been shuffled, of as many that there are ``n`` units."""
        for _ in range(max(_FEWEST, -(-n // self._n_units))):
            network = copy.deepcopy(self._module)
            shuffle_parameters(network, rng)
            path = self._make(network, rng).first(_CELLS_OF_NULL)
            yield self._statistics(path.contributions(self._groups, n_steps=_STEPS_OF_NULL))

    def _statistics(self, decoded: Floats) -> dict[str, Floats]:
        """Fractions of the decoded change that go through each unit, and that fall on each gene."""
        through = np.linalg.norm(decoded[: self._n_units], axis=1)
        change = np.abs(decoded.sum(axis=0))
        return {self._kind: _fractions(through), GENES: _fractions(change)}


def _fractions(values: Floats) -> Floats:
    total = values.sum()
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)
