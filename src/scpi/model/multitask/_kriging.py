"""Changes that were measured at a few doses, read at any dose and shrunk by their noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from scpi.model.base.effects._spread import Spread
    from scpi.model.base.prediction._profiles import Profiles

    Floats = NDArray[np.float64]

# Fractions of the variance of changes that are there at any dose; the rest grows with the logarithm of dose plus 1
_FLAT = (0.0, 0.25, 0.5, 0.75, 0.95)
# Sizes of the changes, relative to those that were measured, noise included
_SIZES = (0.0, *(float(size) for size in np.logspace(-4.0, 1.0, 41)))


class Noise(NamedTuple):
    """Precision of means of cells."""

    n_control: Floats
    """Number of control cells of each context; where there are none, that of all others, whose mean is used."""
    variance: Floats
    """Variance of a cell about the mean of its context and condition, summed over genes, (1,); 0 if it is not known."""


def take_noise(spread: Spread) -> Noise:
    """Noise of the means of training cells with this spread."""
    n_control = np.where(spread.n_control > 0, spread.n_control, spread.n_control.sum())
    return Noise(n_control.astype(np.float64), np.array([spread.pooled.sum()]))


def kriged_changes(profiles: Profiles, design: Floats, contexts: Iterable[int], noise: Noise) -> Floats:
    """Changes of contexts under a condition that was measured in each, at its dose or between doses, contexts x genes.

    Each is the best linear prediction from the changes at all doses of the context, whose errors are those of the means
    of perturbed cells, and that of the mean of the controls, which all doses share (:func:`kriging_weights`).
    """
    pairs, used = profiles.of_same_members(design), design != 0
    found = []
    for context in contexts:
        own = pairs[profiles.context[pairs] == context]
        levels, changes = profiles.design[own][:, used], profiles.changes_of(own)
        errors = np.diag(noise.variance / profiles.n_cells[own]) + noise.variance / noise.n_control[context]
        found.append(kriging_weights(levels, design[used], changes, errors) @ changes)
    return np.stack(found)


def kriging_weights(levels: Floats, doses: Floats, changes: Floats, errors: Floats) -> Floats:
    """Weights with which changes at some doses (n_levels, n_members) predict those at others (n_members,) best.

    Changes are taken for random functions of dose, independent between genes: a part that is there at any dose, and a
    Brownian motion in the logarithm of dose plus 1, which without errors is what is read off a straight line between two
    levels, and stays as it is beyond the largest. How large changes are, and how much of them is there at any dose, are
    those under which the measured ``changes``, n_levels x genes, are most likely. ``errors`` is the covariance of their
    errors, n_levels x n_levels, summed over genes. Where changes are no larger than errors, the weights are 0.
    """
    logs, log = np.log1p(levels), np.log1p(doses)
    grown = np.minimum(logs[:, None], logs).mean(2)
    scale = grown.max()
    to_dose = np.minimum(logs, log).mean(1) / scale
    scatter = changes @ changes.T
    root = np.linalg.inv(np.linalg.cholesky(errors))
    best, weights = -np.inf, np.zeros(len(levels))
    for flat in _FLAT:
        prior = flat + (1.0 - flat) * grown / scale
        values, vectors = np.linalg.eigh(root @ prior @ root.T)
        basis = vectors.T @ root
        squared = np.einsum("ij,jk,ik->i", basis, scatter, basis)
        unit = np.trace(scatter) / np.trace(prior)
        for size in _SIZES:
            variance = 1.0 + size * unit * np.maximum(values, 0.0)
            likelihood = -(np.log(variance) + squared / variance).sum()
            if likelihood > best:
                best = likelihood
                covariance = size * unit * (flat + (1.0 - flat) * to_dose)
                weights = basis.T @ ((basis @ covariance) / variance)
    return np.asarray(weights)
