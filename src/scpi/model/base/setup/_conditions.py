"""Reading labels, doses and contexts of the registered cells of a screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._checks import as_indices
from scpi._screen._conditions import encode_conditions
from scpi._screen._labels import Labelling
from scpi._screen._matrix import means
from scpi._sequence import as_list
from scpi._warn import warn_user
from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._screen._conditions import Dose
    from scpi.model.base._model_base import ModelBase as Host
else:
    Host = object


class ConditionsMixin(Host):
    """Conditions and contexts of cells: labels, doses and codes, and checks of user input."""

    perturbations_: list[str]
    control_: str
    delimiter_: str | None

    def _perturbation_state(self) -> dict[str, Any]:
        return self.registry["field_registries"][KEYS.CONDITION]["state_registry"]

    @property
    def labelling(self) -> Labelling:
        """Format of the labels of the screen."""
        state = self._perturbation_state()
        return Labelling(tuple(state["controls"]), state["delimiter"])

    def _setup_of_labels(self) -> dict[str, Any]:
        """Column of the labels of measured cells, and the labels of the control, as a prediction records them."""
        return {
            "perturbation_key": self.registry["setup_args"]["perturbation_key"],
            "control": list(self._perturbation_state()["controls"]),
        }

    def encode_perturbations(
        self, labels: str | Sequence[str], doses: Sequence[Dose | Sequence[float] | None] | None = None
    ) -> NDArray[np.float32]:
        """Encode labels by the doses of their single perturbations.

        Parameters
        ----------
        labels
            Labels such as ``"A"`` or ``"B+A"``.
        doses
            Dose of each label: one for all of its members, or a mapping from members to doses. 1 if ``None``.

        Returns
        -------
        Array of shape (n_labels, n_perturbations).

        Raises
        ------
        ValueError
            If a label contains a perturbation that is unknown to the model.
        """
        return encode_conditions(as_list(labels), self.perturbations_, self.labelling, doses)

    def canonical(self, label: str) -> str:
        """Return the canonical spelling of a label.

        Parameters
        ----------
        label
            Label with its members in any order.

        Returns
        -------
        Members sorted and joined by the delimiter, without duplicates and without the control; or the control.
        """
        return self.labelling.canonical(label)

    def _designs(self) -> NDArray[np.float32]:
        """Doses of the single perturbations in every condition of the setup data."""
        return self._designs_of(self._perturbation_state())

    def _designs_of(self, state: Any) -> NDArray[np.float32]:
        return self.encode_perturbations(list(state["conditions"]), list(state["doses"]))

    def _conditions(self, adata: AnnData | MuData) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Doses of the single perturbations in every condition of registered data, and the condition of every cell."""
        return self._designs_of(self._state_of(adata, KEYS.CONDITION)), self._condition_codes(adata)

    def _condition_codes(self, adata: AnnData | MuData) -> NDArray[np.int64]:
        """Code of the condition of every cell."""
        return np.asarray(self._field(adata, KEYS.CONDITION)).ravel().astype(np.int64)

    def _stratum_codes(self, adata: AnnData | MuData) -> NDArray[np.int64]:
        """Code of every cell, equal for cells with the same condition and context."""
        return self._condition_codes(adata) + adata.n_obs * self._context_codes(adata)

    def _labels(self, adata: AnnData | MuData) -> NDArray[np.object_]:
        """Canonical label of every cell."""
        conditions = self._state_of(adata, KEYS.CONDITION)["conditions"]
        return np.asarray(conditions, dtype=object)[self._condition_codes(adata)]

    def _doses(self, adata: AnnData | MuData) -> NDArray[np.float64]:
        """Dose of every cell, the largest over its members; 0 for controls, and 1 without registered doses."""
        largest = [max(doses, default=0.0) for doses in self._state_of(adata, KEYS.CONDITION)["doses"]]
        return np.asarray(largest, dtype=np.float64)[self._condition_codes(adata)]

    @property
    def has_doses(self) -> bool:
        """Whether doses are registered."""
        return self.registry["setup_args"].get("dose_key") is not None

    def _dose_range(self) -> tuple[float, float] | None:
        """Smallest and largest measured dose above 0; `None` without registered doses."""
        measured = np.array([dose for doses in self._perturbation_state()["doses"] for dose in doses])
        measured = measured[measured > 0]
        return (float(measured.min()), float(measured.max())) if self.has_doses and len(measured) else None

    def _is_extrapolated(self, dose: float) -> bool:
        """Whether a dose lies outside the measured range; 0 is the dose of the controls."""
        limits = self._dose_range()
        return limits is not None and dose > 0 and not limits[0] <= dose <= limits[1]

    def _check_dose(self, dose: Dose | None) -> None:
        """Refuse a dose that is not a number of at least 0; warn if it lies outside the measured range."""
        if dose is None:
            return
        given = list(dose.values()) if isinstance(dose, Mapping) else [dose]
        if not all(np.isfinite(value) and value >= 0 for value in given):
            msg = f"`dose` must be a finite number of at least 0, got {dose}."
            raise ValueError(msg)
        limits = self._dose_range()
        outside = [value for value in given if self._is_extrapolated(value)]
        if limits is not None and outside:
            warn_user(
                f"The dose {outside[0]:g} lies outside of the measured range, {limits[0]:g} to {limits[1]:g}: "
                "it is extrapolated."
            )

    @property
    def has_contexts(self) -> bool:
        """Whether contexts are registered."""
        return self._has_field(KEYS.CONTEXT)

    def _context_codes(self, adata: AnnData | MuData) -> NDArray[np.int64]:
        """Code of the context of every cell; contexts that were not trained on come last."""
        if not self.has_contexts:
            return np.zeros(adata.n_obs, dtype=np.int64)
        return np.asarray(self._field(adata, KEYS.CONTEXT)).ravel().astype(np.int64)

    def _contexts(self, adata: AnnData | MuData) -> NDArray[np.object_]:
        """Names of the contexts of registered data."""
        return np.asarray(self._state_of(adata, KEYS.CONTEXT).categorical_mapping)

    def _contexts_of(self, adata: AnnData | MuData, cells: NDArray[np.int64]) -> list[str]:
        """Names of the contexts of the given cells; empty without registered contexts."""
        if not self.has_contexts:
            return []
        return [str(name) for name in self._contexts(adata)[np.unique(self._context_codes(adata)[cells])]]

    def _known_contexts(self) -> list[str]:
        """Names of the contexts of the setup data."""
        state = self.registry["field_registries"][KEYS.CONTEXT]["state_registry"]
        return [str(name) for name in state["categorical_mapping"]]

    def _check_context(self, adata: AnnData | MuData, context: str | None) -> None:
        """Refuse a context if none are registered, or if it is not in the data."""
        if context is None:
            return
        if not self.has_contexts:
            msg = "`context` was given, but `setup_anndata` was called without `context_key`."
            raise ValueError(msg)
        known = [str(name) for name in self._contexts(adata)]
        if str(context) not in known:
            msg = f"Unknown context {context!r}; the data has {known}."
            raise ValueError(msg)

    def _control_cells(
        self, adata: AnnData | MuData, *, context: str | None, indices: Sequence[int] | NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """Control cells of a context, among ``indices`` if these are given."""
        return self._labelled_cells(adata, self.control_, context=context, indices=indices)

    def _labelled_cells(
        self,
        adata: AnnData | MuData,
        label: str,
        *,
        context: str | None,
        indices: Sequence[int] | NDArray[np.int64] | None,
    ) -> NDArray[np.int64]:
        """Cells of a condition and a context, among ``indices`` if these are given."""
        candidates = as_indices(indices, adata.n_obs)
        keep = self._labels(adata)[candidates] == label
        if context is not None:
            keep &= self._in_context(adata, candidates, context)
        if not keep.any():
            where = "" if context is None else f" of context {context!r}"
            what = f"control cell ({label!r})" if label == self.control_ else f"cell under {label!r}"
            msg = f"There is no {what}{where} to start a prediction from."
            raise ValueError(msg)
        return candidates[keep]

    def _in_context(self, adata: AnnData | MuData, cells: NDArray[np.int64], context: str) -> NDArray[np.bool_]:
        """Whether each cell belongs to a context."""
        return np.asarray(self._contexts(adata)[self._context_codes(adata)[cells]].astype(str) == str(context))

    def _control_mean(
        self,
        adata: AnnData | MuData,
        known: NDArray[np.float64],
        code: int,
        values: Callable[[NDArray[np.int64]], Any],
    ) -> NDArray[np.float64]:
        """Mean of the controls of a context: ``known`` from training, or of the control cells of ``adata``."""
        if code < len(known) and not np.isnan(known[code]).any():
            return np.asarray(known[code])
        of_context = np.flatnonzero((self._context_codes(adata) == code) & (self._labels(adata) == self.control_))
        if not len(of_context):
            msg = f"Context {self._contexts(adata)[code]!r} has no control cell, neither in training nor in the data."
            raise ValueError(msg)
        return means(values(of_context))
