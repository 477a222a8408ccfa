"""Shifts of the contexts in which a condition was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles


class Shifts(NamedTuple):
    """Shifts of contexts under one condition.

    Attributes
    ----------
    controls
        Mean of the controls of each context, contexts x latent units.
    changes
        Mean of its perturbed cells less that of its controls.
    """

    controls: NDArray[np.float64]
    changes: NDArray[np.float64]


def measured_shifts(profiles: Profiles, design: NDArray[np.float64], *, allowed: NDArray[np.bool_]) -> Shifts | None:
    """Shifts of the contexts that were measured under a condition, at its dose.

    A context counts if it has both perturbed cells and controls. Where no context has both, the mean of the controls
    of the others stands in.

    Parameters
    ----------
    profiles
        Latent means of the training cells.
    design
        Doses of the single perturbations, (n_perturbations,).
    allowed
        Whether a context may be used, (n_contexts,).

    Returns
    -------
    The shifts; ``None`` if no context was measured under these perturbations.
    """
    measured = {code: change for code, change in profiles.by_context(design) if allowed[code]}
    if not measured:
        return None
    own = np.asarray(~np.isnan(profiles.control).any(axis=1))
    codes = [code for code in measured if own[code]] or list(measured)
    return Shifts(profiles.controls[codes], np.stack([measured[code] for code in codes]))


def largest_dose(profiles: Profiles, design: NDArray[np.float64]) -> float:
    """Largest dose at which the perturbations of ``design`` were measured together; 0 if they were not."""
    return float(profiles.design[profiles.of_same_members(design)].max(initial=0.0))
