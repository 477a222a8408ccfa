"""Values of the perturbations that act alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scpi.model.conditions._low_rank import low_rank
from scpi.model.conditions._rows import Method, group_means, n_codes

if TYPE_CHECKING:
    from scpi.model.conditions._rows import Codes, Floats, Predictor, Rows


@dataclass(frozen=True)
class Neighbours(Method):
    """Mean of the perturbations in the same context that are most alike in other contexts, nearer ones counting more.

    Alike are perturbations with a small squared distance of principal components in the contexts in which both were
    measured, or, where there are none, of features. Without any, it is the mean of the context; in a context that was
    not measured, that of the perturbation, and without this the mean of all.
    """

    n_neighbours: int = 7
    n_components: int = 30

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Keep the rows, and compare the perturbations in every context."""
        overall = values.mean(axis=0)
        scores = low_rank(values, self.n_components).scores
        distances = _distances(rows, scores)

        def predict(wanted: Rows) -> Floats:
            found = group_means(rows.perturbation, values, wanted.perturbation, overall)
            for i in np.flatnonzero(np.isin(wanted.context, rows.context)).tolist():
                here = np.flatnonzero(rows.context == wanted.context[i])
                apart = self._apart(distances, rows, here, wanted, i)
                found[i] = _weights(apart, self.n_neighbours) @ values[here]
            return found

        return predict

    def _apart(self, distances: Floats, rows: Rows, here: Codes, wanted: Rows, i: int) -> Floats:
        """Distances of a wanted row from the rows of its context; NaN where there is nothing to compare."""
        code, apart = wanted.perturbation[i], np.full(len(here), np.nan)
        if code >= 0:
            others = np.arange(len(distances)) != wanted.context[i]
            known = distances[others][:, code, rows.perturbation[here]]
            n = np.isfinite(known).sum(axis=0)
            np.divide(np.nansum(known, axis=0), n, out=apart, where=n > 0)
        if np.isnan(apart).all() and wanted.features.shape[1]:
            apart = ((rows.features[here] - wanted.features[i]) ** 2).sum(axis=1)
        return apart


def _distances(rows: Rows, scores: Floats) -> Floats:
    """Squared distances of perturbations in each context, NaN where one was not measured."""
    n_contexts, n = n_codes(rows.context), n_codes(rows.perturbation)
    profiles = np.full((n_contexts, n, scores.shape[1]), np.nan)
    for context in range(n_contexts):
        here = rows.context == context
        known = np.unique(rows.perturbation[here])
        profiles[context, known] = group_means(rows.perturbation[here], scores[here], known, scores[0])
    norms = (profiles**2).sum(axis=2)
    products = np.einsum("tik,tjk->tij", profiles, profiles)
    return np.maximum(norms[:, :, None] + norms[:, None, :] - 2.0 * products, 0.0)


def _weights(apart: Floats, n_neighbours: int) -> Floats:
    """Inverse distances of the nearest rows; equal ones of all rows where no distance is known."""
    known = np.flatnonzero(np.isfinite(apart))
    if not len(known):
        return np.full(len(apart), 1.0 / len(apart))
    nearest = known[np.argsort(apart[known], kind="stable")[:n_neighbours]]
    inverse = 1.0 / np.maximum(np.sqrt(apart[nearest]), 1e-8)
    weights = np.zeros(len(apart))
    weights[nearest] = inverse / inverse.sum()
    return weights
