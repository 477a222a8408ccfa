"""A predicted effect as a sum over measured effects, sources and features."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi._explained._explanation import GENES, Explanation, Parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from scpi.model.perturbation_gp._carriers import Carriers, Weighed

    Floats = NDArray[np.float64]

CARRIERS, SOURCES, FEATURES = "perturbations", "sources", "features"
MEASURED, OTHERS, REST = "(its own measurement)", "(the others)", "(what is special)"
# Numbers in the scores of the perturbations of all draws at a time
_MOST = 5_000_000


class Member(NamedTuple):
    """One perturbation of a condition."""

    row: int
    """Its place among all perturbations."""
    factor: float
    """By what its effect is multiplied."""
    own: Floats | None
    """Contribution of its own measurement beyond the others, (n_genes,); ``None`` if it was not measured."""


class EffectExplanation(Explanation):
    """Explanation of a Gaussian process prediction, as a linear function of the measured effects.

    Parameters
    ----------
    carriers
        The weights.
    members
        Perturbations of the condition.
    names
        Names of all perturbations.
    features
        Names of the features of each source.
    slope
        Factor by which what the others predict is kept.
    scores
        Scores of the known perturbations, (n_known, n_components).
    size
        By what their deviations were divided.
    axes
        Directions of the components, components x genes.
    mean
        Mean effect.
    """

    def __init__(
        self,
        carriers: Carriers,
        members: Sequence[Member],
        *,
        names: Sequence[str],
        features: Mapping[str, Sequence[str]],
        slope: float,
        scores: Floats,
        size: Floats,
        axes: Floats,
        mean: Floats,
    ) -> None:
        self._carriers, self._members, self._slope = carriers, list(members), slope
        self._scores, self._axes = scores, axes
        weighed = [(member.factor, carriers.weigh(member.row)) for member in members]
        self._total = sum((factor * one.total for factor, one in weighed), np.zeros(len(scores)))
        self._own = {m.row: m.factor * m.own for m in members if m.own is not None}
        of_own = sum(self._own.values(), np.zeros(axes.shape[1]))
        self.common = mean * sum(member.factor for member in members)
        self.change = self.common + slope * self._total @ scores @ axes + of_own
        self._features: list[tuple[str, int]] = []
        rows = {
            CARRIERS: (np.diag(self._total), [names[place] for place in carriers.known], len(scores)),
            SOURCES: self._by_source(weighed),
            FEATURES: self._by_feature(weighed, features),
        }
        self._rows = {kind: weights for kind, (weights, _, _) in rows.items()}
        self.parts = {
            kind: self._as_parts(kind, weights, names_of, n_named, size)
            for kind, (weights, names_of, n_named) in rows.items()
        }

    def _by_source(self, weighed: list[tuple[float, Weighed]]) -> tuple[Floats, list[str], int]:
        names = list(self._carriers.sources)
        zeros = np.zeros(len(self._scores))
        rows = [sum((factor * one.by_source[name] for factor, one in weighed), zeros) for name in names]
        return np.array([*rows, self._total - sum(rows, zeros)]), [*names, REST], len(names)

    def _by_feature(
        self, weighed: list[tuple[float, Weighed]], features: Mapping[str, Sequence[str]]
    ) -> tuple[Floats, list[str], int]:
        found: dict[tuple[str, int], Floats] = {}
        for factor, one in weighed:
            for source, (columns, weights) in one.by_feature.items():
                for column, row in zip(columns.tolist(), weights, strict=True):
                    found[source, column] = found.get((source, column), 0.0) + factor * row
        self._features = list(found)
        names = [f"{source}: {features[source][column]}" for source, column in found]
        rows = np.array(list(found.values())).reshape(len(found), len(self._scores))
        return np.vstack([rows, self._total - rows.sum(axis=0)]), [*names, OTHERS], len(names)

    def _as_parts(self, kind: str, rows: Floats, names: list[str], n_named: int, size: Floats) -> Parts:
        contributions = np.asarray(self._slope * rows @ self._scores @ self._axes)
        weights = self._slope * (rows / size).sum(axis=1)
        is_named = np.arange(len(names)) < n_named
        if kind == CARRIERS:
            place = {row: i for i, row in enumerate(self._carriers.known.tolist())}
            for row, own in self._own.items():
                contributions[place[row]] += own
            is_tested = np.asarray(rows.any(axis=1))
            return Parts(
                names, contributions, weights, is_tested | np.isin(self._carriers.known, list(self._own)), is_tested
            )
        if self._own:
            contributions = np.vstack([contributions, sum(self._own.values())])
            names, weights, is_named = [*names, MEASURED], np.append(weights, np.nan), np.append(is_named, False)
        return Parts(names, contributions, weights, is_named, is_named)

    def without(self, kind: str, places: NDArray[np.intp]) -> Floats:
        n = len(self._scores)
        carriers, removed = self._carriers, np.array([], dtype=np.intp)
        if kind == CARRIERS:
            removed = np.asarray(places, dtype=np.intp)
        else:
            carriers = carriers.without(self._columns(kind, places))
        gone = set(carriers.known[removed].tolist())
        found = np.zeros(self._axes.shape[1])
        for member in self._members:
            used = np.setdiff1d(np.arange(n), [*removed, *np.flatnonzero(carriers.known == member.row)])
            weights = self._slope * member.factor * carriers.weigh(member.row, used).total
            found += weights @ self._scores @ self._axes
            if member.row in self._own and member.row not in gone:
                found += self._own[member.row]
        return found

    def _columns(self, kind: str, places: NDArray[np.intp]) -> dict[str, NDArray[np.intp]]:
        """Features of some parts, by source and place."""
        if kind == SOURCES:
            names = [list(self._carriers.sources)[place] for place in places]
            return {name: np.arange(self._carriers.sources[name].shape[1]) for name in names}
        columns: dict[str, list[int]] = {}
        for place in places:
            source, column = self._features[place]
            columns.setdefault(source, []).append(column)
        return {source: np.array(found, dtype=np.intp) for source, found in columns.items()}

    def observed(self) -> dict[str, Floats]:
        return {kind: values[0] for kind, values in self._statistics(self._scores[None]).items()}

    def null(self, n: int, rng: np.random.Generator) -> Iterator[dict[str, Floats]]:
        """Statistics where the effects are shuffled among the perturbations that carry the prediction, features as they are.

        How much of the prediction is kept has no say in it, so that there are p-values where nothing is.
        """
        used = np.flatnonzero(self._total)
        at_once = max(1, _MOST // max(self._scores.size, self._axes.shape[1]))
        for start in range(0, n, at_once):
            drawn = np.repeat(self._scores[None], min(at_once, n - start), axis=0)
            for one in drawn:
                one[used] = self._scores[rng.permutation(used)]
            yield self._statistics(drawn)

    def _statistics(self, scores: Floats) -> dict[str, Floats]:
        """Statistics of draws of the scores, draws x known x components.

        Of a known perturbation, how far its contribution goes in the direction of what the others contribute: by itself it
        would always agree. Of a source or a feature, in the direction of the whole. Of a gene, the size of its change.
        """
        whole = self._total @ scores
        own = self._total[:, None] * scores
        left = whole[:, None] - own
        found = {CARRIERS: _along(own, left)}
        for kind in (SOURCES, FEATURES):
            found[kind] = _along(self._rows[kind] @ scores, whole[:, None])
        found[GENES] = np.abs(whole @ self._axes)
        return found


def _along(parts: Floats, direction: Floats) -> Floats:
    """Length of vectors in the direction of others, over the last axis; 0 where there is no direction."""
    length = np.linalg.norm(direction, axis=-1)
    products = (parts * direction).sum(axis=-1)
    return np.divide(products, length, out=np.zeros(products.shape), where=np.broadcast_to(length > 0, products.shape))
