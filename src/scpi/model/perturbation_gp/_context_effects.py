"""Effects of perturbations in each context, from the mean profiles of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi.model.base.effects._regression import member_effects
from scpi.model.base.effects._shrinkage import effect_errors
from scpi.model.perturbation_gp._context_process import ContextEffects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scpi.model.base.effects._spread import Spread
    from scpi.model.base.prediction._profiles import Profiles


def perturbation_errors(profiles: Profiles, spread: Spread) -> NDArray[np.float64]:
    """Standard errors of the effects of all perturbations; 0 where each condition has one row, as in tables of profiles."""
    flat = np.ones_like(profiles.treated), np.ones_like(profiles.control)
    return effect_errors(profiles, spread, slope=flat)


def context_effects(
    profiles: Profiles, spread: Spread | None, sources: Mapping[str, Any], gene: NDArray[np.intp]
) -> ContextEffects:
    """Effects of each perturbation in each context that has cells of it; of what is combined only, as far as it can be told.

    Errors are 0 without a ``spread``.
    """
    effects, errors, perturbation, context = [], [], [], []
    for code in np.unique(profiles.context):
        rows = np.flatnonzero(profiles.context == code)
        own = profiles._replace(
            treated=profiles.treated[rows],
            context=profiles.context[rows],
            design=profiles.design[rows],
            n_cells=profiles.n_cells[rows],
        )
        known = np.flatnonzero(own.design.any(axis=0))
        effects.append(member_effects(own.design, own.changes, own.n_cells)[known])
        if spread is not None:
            errors.append(perturbation_errors(own, spread._replace(treated=spread.treated[rows]))[known])
        perturbation.append(known)
        context.append(np.full(len(known), code, dtype=np.intp))
    found = np.concatenate(effects)
    return ContextEffects(
        sources=sources,
        perturbation=np.concatenate(perturbation),
        context=np.concatenate(context),
        effects=found,
        errors=np.concatenate(errors) if errors else np.zeros_like(found),
        gene=gene,
        control=profiles.controls,
    )
