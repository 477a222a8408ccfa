"""From control cells to an AnnData of predicted cells."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._checks import as_indices
from scpi._screen._conditions import Condition, member_doses
from scpi.model.base._constants import KEYS
from scpi.model.base._screen_model import ScreenModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._screen._conditions import Dose

_MAX_CELLS = 1000


class PredictiveModel(ScreenModel):
    """The prediction hook: every model and baseline predicts through it."""

    def predict(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str | Sequence[str],
        context: str | None = None,
        dose: Dose | None = None,
        n_cells: int | None = None,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        sample: bool = False,
        rng: int | np.random.Generator | None = 0,
    ) -> AnnData:
        """Predict what control cells become under perturbations.

        Parameters
        ----------
        adata
            Data with control cells to start from; the training data if ``None``.
        perturbation
            One label or several: perturbations, seen or not in combination, with members in any order.
        context
            Start from control cells of this context, which may be one that was not trained on.
        dose
            Dose of the perturbations, on the scale of ``dose_key``; 1 if ``None``. It need not have been measured. For a
            combination, one for all members, or one for each by its name, such as ``{"A": 10, "B": 0.5}``.
        n_cells
            Cells to predict for each perturbation, from as many control cells drawn at random: without replacement
            while there are enough. If ``None``, from all control cells, at most 1,000.
        indices
            Control cells to start from, in place of all that ``adata`` has.
        sample
            Draw expression from the likelihood of the model rather than take its expectation. Baselines move measured
            cells and draw nothing.
        rng
            Seed or generator of the draws.

        Returns
        -------
        AnnData of shape (n_perturbations * n_cells, n_genes), on the scale of the registered expression. Sets the
        following fields:

        `.obs['perturbation']`
            Label in the spelling of the model.
        `.obs['source_cell']`
            Name of the control cell that was started from.
        `.obs['status']`
            ``"trained"``, ``"unseen combination"``, ``"unseen"`` (a known perturbation without training cells) or
            ``"control"``.
        `.obs['context']`, `.obs['dose']`
            Context and dose, where they are registered.
        `.uns['prediction']`
            Name of the model, its parameters, and the mean expression of the control cells.

        Raises
        ------
        ValueError
            If a perturbation or the context is unknown, the dose is negative, or there is no control cell to start from.

        Warns
        -----
        UserWarning
            If the dose lies outside of the range of those that were measured.
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        labels = [
            self.canonical(label) for label in ([perturbation] if isinstance(perturbation, str) else perturbation)
        ]
        if not labels or len(set(labels)) != len(labels):
            msg = f"`perturbation` must name at least one perturbation, each once, got {list(labels)}."
            raise ValueError(msg)
        self._check_context(adata, context)
        self._check_dose(dose)
        design = self.encode_perturbations(labels, None if dose is None else [dose] * len(labels))
        controls = self._control_cells(adata, context=context, indices=indices)
        generator = as_generator(rng)
        chosen = [draw_cells(controls, n_cells, generator) for _ in labels]
        expression = [
            self._predict_cells(adata, cells, row, sample=sample, rng=generator)
            for cells, row in zip(chosen, design, strict=True)
        ]
        return self._assemble(adata, labels, chosen, expression, context=context, dose=dose)

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
        candidates = np.arange(adata.n_obs) if indices is None else as_indices(indices, adata.n_obs)
        keep = self._labels(adata)[candidates] == label
        if context is not None:
            codes = self._context_codes(adata)[candidates]
            keep &= self._contexts(adata)[codes].astype(str) == str(context)
        if not keep.any():
            where = "" if context is None else f" of context {context!r}"
            what = f"control cell ({label!r})" if label == self.control_ else f"cell under {label!r}"
            msg = f"There is no {what}{where} to start a prediction from."
            raise ValueError(msg)
        return candidates[keep]

    def _check_context(self, adata: AnnData | MuData, context: str | None) -> None:
        """A context must be registered, and be one of the data."""
        if context is None:
            return
        if not self.has_contexts:
            msg = "`context` was given, but `setup_anndata` was called without `context_key`."
            raise ValueError(msg)
        known = [str(name) for name in self._contexts(adata)]
        if str(context) not in known:
            msg = f"Unknown context {context!r}; the data has {known}."
            raise ValueError(msg)

    def _check_dose(self, dose: Dose | None) -> None:
        """A dose must be a number from 0; one that lies beyond those of the training data is worth a warning."""
        if dose is None:
            return
        given = list(dose.values()) if isinstance(dose, Mapping) else [dose]
        if not all(np.isfinite(value) and value >= 0 for value in given):
            msg = f"`dose` must be a finite number of at least 0, got {dose}."
            raise ValueError(msg)
        limits = self._dose_range()
        outside = [value for value in given if self._is_extrapolated(value)]
        if limits is not None and outside:
            msg = (
                f"The dose {outside[0]:g} lies outside of the measured range, {limits[0]:g} to {limits[1]:g}: "
                "it is extrapolated."
            )
            warnings.warn(msg, UserWarning, stacklevel=3)

    @property
    def has_doses(self) -> bool:
        """Whether doses are registered."""
        return self.registry["setup_args"].get("dose_key") is not None

    def _dose_range(self) -> tuple[float, float] | None:
        """Smallest and largest measured dose above 0; `None` where no dose was registered."""
        measured = np.array([dose for doses in self._perturbation_state()["doses"] for dose in doses])
        measured = measured[measured > 0]
        return (float(measured.min()), float(measured.max())) if self.has_doses and len(measured) else None

    def _is_extrapolated(self, dose: float) -> bool:
        """Whether a dose lies outside of those that were measured; 0 is that of the controls."""
        limits = self._dose_range()
        return limits is not None and dose > 0 and not limits[0] <= dose <= limits[1]

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
        state = self.get_anndata_manager(adata, required=True).get_state_registry(KEYS.CONTEXT)
        return np.asarray(state.categorical_mapping)

    def _status(self, label: str) -> str:
        """How a label relates to the training data."""
        if label == self.control_:
            return "control"
        if label in self.trained_conditions_:
            return "trained"
        return "unseen combination" if self.labelling.is_combination(label) else "unseen"

    def _assemble(
        self,
        adata: AnnData | MuData,
        labels: Sequence[str],
        chosen: Sequence[NDArray[np.int64]],
        expression: Sequence[NDArray[np.float32]],
        *,
        context: str | None,
        dose: Dose | None,
    ) -> AnnData:
        """Put predicted cells together with where they came from."""
        sizes = [len(cells) for cells in chosen]
        sources = np.concatenate(chosen)
        names = self._modality(adata).obs_names.to_numpy()[sources].astype(str)
        obs = pd.DataFrame(
            {
                Key.obs.PERTURBATION: pd.Categorical(np.repeat(labels, sizes), categories=list(labels)),
                Key.obs.SOURCE_CELL: names,
                Key.obs.STATUS: pd.Categorical(np.repeat([self._status(label) for label in labels], sizes)),
            }
        )
        if context is not None:
            obs[Key.obs.CONTEXT] = pd.Categorical([str(context)] * len(obs))
        if dose is not None:
            obs[Key.obs.DOSE] = self._dose_name(labels[0], dose) if isinstance(dose, Mapping) else float(dose)
        obs.index = pd.Index(
            [f"{label}_{index}" for label, size in zip(labels, sizes, strict=True) for index in range(size)]
        )
        predicted = AnnData(X=np.concatenate(expression), obs=obs, var=self._var(adata).copy())
        params: dict[str, Any] = {"perturbation": list(labels)}
        params |= {key: value for key, value in {"context": context, "dose": dose}.items() if value is not None}
        predicted.uns[Key.uns.PREDICTION] = {
            "model": type(self).__name__,
            "params": params,
            Key.uns.CONTROL_MEAN: self._mean_expression(adata, sources),
        }
        return predicted

    def _dose_name(self, label: str, dose: Mapping[str, float]) -> float | str:
        """Doses of the members of a label, for a table."""
        return Condition(label, member_doses(self.labelling.members(label), dose)).dose_name(self.labelling)

    def _mean_expression(self, adata: AnnData | MuData, cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """Mean over cells, each as often as it occurs: predictions that start from it again count again."""
        unique, counts = np.unique(cells, return_counts=True)
        return np.average(self._expression(adata, unique), axis=0, weights=counts).astype(np.float32)


def draw_cells(cells: NDArray[np.int64], n_cells: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cells to start from."""
    if n_cells is None:
        n_cells = min(len(cells), _MAX_CELLS)
    if n_cells < 1:
        msg = f"`n_cells` must be at least 1, got {n_cells}."
        raise ValueError(msg)
    if n_cells == len(cells):
        return cells
    return rng.choice(cells, size=n_cells, replace=n_cells > len(cells))
