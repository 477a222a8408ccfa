"""The weights with which measured effects enter the prediction of another perturbation, and from which features they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._screen._matrix import as_dense
from scpi.model.perturbation_gp._evidence import projection
from scpi.model.perturbation_gp._process import gram

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Weighed(NamedTuple):
    """Weights of the scores of known perturbations in the predicted deviation of one."""

    total: Floats
    """Of each known perturbation, (n_known,)."""
    by_source: dict[str, Floats]
    """What each source has of them; the rest is what perturbations do not have in common by any."""
    by_feature: dict[str, tuple[NDArray[np.intp], Floats]]
    """Features of the perturbation in each source, by their place, and what each has of the weights, features x known."""


class Carriers:
    """A Gaussian process with all that was learned held, as a linear function of the measured effects.

    Parameters
    ----------
    sources
        Features of all perturbations by source, perturbations x features.
    factors
        Variance that each source explains.
    known
        Places of the perturbations that were trained on.
    noise
        Variance of the noise of each of these.
    """

    def __init__(
        self,
        sources: Mapping[str, Any],
        factors: Mapping[str, float],
        *,
        known: NDArray[np.intp],
        noise: Floats,
    ) -> None:
        self.sources = {name: sources[name] for name, factor in factors.items() if factor > 0}
        self.factors = {name: factors[name] for name in self.sources}
        self.known, self.noise = known, noise
        kernel = np.diag(1.0 + noise)
        self._padding = np.zeros(len(known))
        for name, values in self.sources.items():
            of_known = values[known]
            products = gram(of_known)
            kernel += self.factors[name] * products
            squared = as_dense(of_known.multiply(of_known).sum(axis=1)) if hasattr(of_known, "multiply") else None
            squared = np.square(of_known).sum(axis=1) if squared is None else squared
            self._padding += self.factors[name] * (np.diag(products) - np.asarray(squared).ravel())
        self._inverse = projection(kernel)

    def inverse(self, used: NDArray[np.intp]) -> Floats:
        """Inverse of the covariance of some known perturbations, less what a common mean takes."""
        if len(used) == len(self.known):
            return self._inverse
        out = np.setdiff1d(np.arange(len(self.known)), used)
        across = self._inverse[np.ix_(used, out)]
        inner = np.linalg.solve(self._inverse[np.ix_(out, out)], across.T)
        return np.asarray(self._inverse[np.ix_(used, used)] - across @ inner)

    def weigh(self, row: int, used: NDArray[np.intp] | None = None) -> Weighed:
        """Weights in the prediction of one perturbation from some known ones; all but itself if ``None``."""
        n, everything = len(self.known), used is None
        own = np.flatnonzero(self.known == row)
        if used is None:
            used = np.setdiff1d(np.arange(n), own)
        features = {name: as_dense(values[[row]], np.float64).ravel() for name, values in self.sources.items()}
        columns = {name: np.flatnonzero(values) for name, values in features.items()}
        # One perturbation has no deviation from its mean, and of one without features nothing is known
        if len(used) < 2 or not (len(own) or any(map(len, columns.values()))):
            none = {name: (of_source[:0], np.zeros((0, n))) for name, of_source in columns.items()}
            return Weighed(np.zeros(n), {name: np.zeros(n) for name in columns}, none)
        inverse, by_source, by_feature = self.inverse(used), {}, {}
        for name, values in self.sources.items():
            of_known, factor = values[self.known[used]], self.factors[name]
            centred = features[name] - np.asarray(of_known.mean(axis=0), dtype=np.float64).ravel()
            by_source[name] = _placed(factor * (np.asarray(of_known @ centred).ravel() @ inverse), used, n)
            products = as_dense(of_known[:, columns[name]], np.float64).T * centred[columns[name], None]
            by_feature[name] = columns[name], _placed(factor * (products @ inverse), used, n)
        if everything and len(own):
            # What the closed form of leaving one out has: its mean is that of the others with their noise
            place = int(own[0])
            total = -self._inverse[place] / self._inverse[place, place] - 1.0 / (n - 1)
            total[place] = 0.0
        else:
            special = _placed((self._padding[used] / len(used)) @ inverse, used, n)
            total = sum(by_source.values(), np.zeros(n)) - special
        return Weighed(np.asarray(total), by_source, by_feature)

    def without(self, removed: Mapping[str, NDArray[np.intp]]) -> Carriers:
        """The same where no perturbation has some features, by source and place."""
        kept = {}
        for name, values in self.sources.items():
            keep = np.ones(values.shape[1])
            keep[removed.get(name, [])] = 0.0
            kept[name] = values.multiply(keep).tocsr() if hasattr(values, "multiply") else values * keep
        return Carriers(kept, self.factors, known=self.known, noise=self.noise)


def _placed(weights: Floats, used: NDArray[np.intp], n: int) -> Floats:
    """Weights of some known perturbations at their places among all."""
    found = np.zeros((*weights.shape[:-1], n))
    found[..., used] = weights
    return found
