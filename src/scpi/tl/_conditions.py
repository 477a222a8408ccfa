"""Conditions to predict: perturbations, in contexts, at doses."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._sequence import as_list
from scpi.model.base import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scpi.model.base import ScreenModel


class Condition(NamedTuple):
    """A perturbation, with context and dose if they are registered."""

    perturbation: str
    context: str | None
    dose: float | None

    @property
    def name(self) -> str:
        start = "" if self.context is None else f"{self.context}: "
        return f"{start}{self.perturbation}" + ("" if self.dose is None else f" @ {_exact(self.dose)}")


def find_labels(model: ScreenModel, perturbation: str | Sequence[str]) -> list[str]:
    """Find perturbations in the spelling of the model."""
    given = as_list(perturbation)
    labels = [model.canonical(str(label)) for label in given]
    if not labels or len(set(labels)) != len(labels):
        msg = f"`perturbation` must name at least one perturbation, each once, got {given}."
        raise ValueError(msg)
    if model.control_ in labels:
        msg = f"`perturbation` contains the control, {model.control_!r}, the reference of all changes: leave it out."
        raise ValueError(msg)
    model.encode_perturbations(labels)
    return labels


def find_contexts(
    model: ScreenModel,
    source: AnnData | MuData,
    context: str | Sequence[str] | None,
    indices: Sequence[int] | NDArray[np.int64] | None,
) -> list[str | None]:
    """Find the contexts to predict, each with control cells; only `None` if contexts are not registered."""
    given = [context] if isinstance(context, str) else context
    if given is None and model.has_contexts:
        cells = model._control_cells(source, context=None, indices=indices)
        return [str(model._contexts(source)[code]) for code in np.unique(model._context_codes(source)[cells])]
    found: list[str | None] = [None] if given is None else [str(name) for name in given]
    if not found or len(set(found)) != len(found):
        msg = f"`context` must name at least one context, each once, got {found}."
        raise ValueError(msg)
    for name in found:
        model._check_context(source, name)
        model._control_cells(source, context=name, indices=indices)
    return found


def find_doses(
    model: ScreenModel,
    source: AnnData | MuData,
    labels: Iterable[str],
    dose: float | ArrayLike | None,
    n_between: int,
) -> dict[str, list[Any]]:
    """Find the doses of each perturbation in ascending order; only `None` if doses are not registered."""
    if n_between < 0:
        msg = f"`n_between` must be at least 0, got {n_between}."
        raise ValueError(msg)
    if not model.has_doses:
        if dose is not None or n_between:
            msg = "A dose was given, but `setup_anndata` was called without `dose_key`."
            raise ValueError(msg)
        return {label: [None] for label in labels}
    if dose is None:
        return {label: _with_between(_measured_doses(model, source, label), n_between) for label in labels}
    given = np.unique(np.atleast_1d(np.asarray(dose, dtype=np.float64)))
    if not given.size or not np.isfinite(given).all() or given.min() < 0:
        msg = f"`dose` must hold finite numbers of at least 0, got {dose}."
        raise ValueError(msg)
    return {label: _with_between(given, n_between) for label in labels}


def _measured_doses(model: ScreenModel, source: AnnData | MuData, label: str) -> NDArray[np.float64]:
    """Find the doses at which a perturbation was measured in the data, or else in training."""
    here = model.get_anndata_manager(source, required=True).get_state_registry(KEYS.CONDITION)
    for state in (here, model._perturbation_state()):
        found = [
            max(doses)
            for name, doses in zip(state["conditions"], state["doses"], strict=True)
            if name == label and len(set(doses)) == 1
        ]
        if found:
            return np.unique(found)
    msg = f"{label!r} was measured at no dose: give the doses to predict (`dose=`)."
    raise ValueError(msg)


def _with_between(doses: NDArray[np.float64], n_between: int) -> list[float]:
    """Add doses between the given ones, evenly on the scale of the logarithm of dose plus 1."""
    logs = np.log1p(doses)
    shares = np.arange(1, n_between + 1) / (n_between + 1)
    between = np.expm1(logs[:-1, None] + shares * np.diff(logs)[:, None]).ravel()
    # Names do not need more digits
    rounded = [float(f"{dose:.6g}") for dose in between]
    return sorted({*doses.tolist(), *rounded})


def warn_of_extrapolation(model: ScreenModel, doses: dict[str, list[Any]]) -> None:
    asked = sorted({dose for found in doses.values() for dose in found if dose is not None})
    outside = [dose for dose in asked if model._is_extrapolated(dose)]
    limits = model._dose_range()
    if outside and limits is not None:
        msg = (
            f"{len(outside)} of {len(asked)} doses, such as {outside[-1]:g}, lie outside of the measured range, "
            f"{limits[0]:g} to {limits[1]:g}: the predictions there are extrapolated."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)


def tabulate(conditions: Sequence[Condition]) -> pd.DataFrame:
    """Tabulate conditions, one row each, with the registered columns."""
    table = pd.DataFrame({Key.obs.PERTURBATION: np.array([one.perturbation for one in conditions], dtype=object)})
    if conditions[0].context is not None:
        table[Key.obs.CONTEXT] = np.array([one.context for one in conditions], dtype=object)
    if conditions[0].dose is not None:
        table[Key.obs.DOSE] = np.array([one.dose for one in conditions], dtype=np.float64)
    return table


def _exact(dose: float) -> str:
    """Format a dose with as few digits as distinguish it from others."""
    short = format(dose, "g")
    return short if float(short) == dose else repr(dose)
