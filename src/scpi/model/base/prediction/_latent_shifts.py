"""Shifts of the contexts in which a condition was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles


class Shifts(NamedTuple):
    """Shifts of contexts under one condition."""

    controls: NDArray[np.float64]
    """Mean of the controls of each context, contexts x latent units."""
    changes: NDArray[np.float64]
    """Mean of the perturbed cells minus mean of the controls, contexts x latent units."""
    contexts: list[int]
    """Codes of the contexts."""


def measured_shifts(profiles: Profiles, design: NDArray[np.float64], *, allowed: NDArray[np.bool_]) -> Shifts | None:
    """Compute the shifts of the contexts measured under a condition, at its dose; ``None`` if there are none.

    ``design`` holds the doses of the single perturbations, (n_perturbations,), and ``allowed`` flags the contexts that
    may be used, (n_contexts,). A context counts if it has both perturbed cells and controls. If no context has both,
    contexts with perturbed cells count, and the mean of the controls of the other contexts substitutes for their
    controls.
    """
    measured = {code: change for code, change in profiles.by_context(design) if allowed[code]}
    if not measured:
        return None
    own = np.asarray(~np.isnan(profiles.control).any(axis=1))
    codes = [code for code in measured if own[code]] or list(measured)
    return Shifts(profiles.controls[codes], np.stack([measured[code] for code in codes]), codes)


def largest_dose(profiles: Profiles, design: NDArray[np.float64]) -> float:
    """Largest dose at which the perturbations of ``design`` were measured together; 0 if they were not."""
    return float(profiles.design[profiles.of_same_members(design)].max(initial=0.0))
