"""Prediction intervals from held-out conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._conformal._left_out import LeftOut
from scpi._conformal._quantile import check_level, check_number
from scpi._screen._conditions import member_doses
from scpi._slots import listed
from scpi.model.base._constants import NO_BETTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._screen._conditions import Dose
    from scpi.model.base.calibration._conditions import Over
    from scpi.model.base.counts._mixin import DrawnCellsMixin as Host
else:
    Host = object


class Kind(NamedTuple):
    """Kind of a condition; conditions of one kind are similarly hard to predict."""

    over: Over
    """Which part of the condition is new."""
    is_combination: bool
    """Whether it is a combination with a new perturbation."""
    is_mean: bool = False
    """Whether nothing is known of the perturbation, so that the prediction is the mean effect of the others."""


class Alike(NamedTuple):
    """Held-out conditions of one kind."""

    left_out: LeftOut
    perturbation: list[str]
    """Label of each."""
    context: list[str]
    """Context of each; empty without contexts."""


class Calibrated(NamedTuple):
    """Intervals and confidence of predicted changes."""

    lower: NDArray[np.float64]
    """Lower bound of the interval of the mean change, conditions x genes."""
    upper: NDArray[np.float64]
    """Upper bound."""
    confidence: NDArray[np.float64]
    """Expected fraction of the squared change that the prediction explains, per condition; 1 for the control."""
    status: list[str]
    """Status of each condition; it marks predictions that are no better than the mean."""


class IntervalMixin(Host):
    """Intervals of predictions, by cross-conformal inference."""

    left_out_: dict[str, dict[str, Any]]
    """Held-out conditions of the calibration, with their predicted and measured changes."""
    trained_conditions_: list[str]

    def _has_mean(self, label: str) -> bool:
        """Whether the prediction of a new perturbation is the mean effect of the others, as nothing else is known of it."""
        return False

    def _kind_of(self, label: str, context: str | None, dose: Dose | None) -> Kind:
        """Return the kind of a condition. One that was trained on counts as if it had not been.

        A `ValueError` is raised if the calibration held out no such conditions.
        """
        self._check_measured_doses(label, dose)
        members, is_combination = self.labelling.members(label), self.labelling.is_combination(label)
        trained = {name for one in self.trained_conditions_ for name in self.labelling.members(one)}
        over: Over = "combinations" if is_combination else "perturbations"
        if not set(members) <= trained:
            over = "perturbations"
        elif self.has_contexts and label in self.trained_conditions_:
            over = "contexts"
        if over not in self.left_out_:
            known = f"calibrated over {listed(self.left_out_)} only" if self.left_out_ else "not calibrated"
            msg = (
                f"The model is {known}. An interval for {label!r} needs held-out conditions of that kind: "
                f"call `model.calibrate({over!r})` first."
            )
            raise ValueError(msg)
        if over == "contexts" and context is None:
            msg = "Contexts are registered, and a prediction is calibrated for one of them: give the `context`."
            raise ValueError(msg)
        known_contexts = self.left_out_[over]["context"]
        if over != "contexts" and context is not None and str(context) not in known_contexts:
            msg = (
                f"{label!r} and the context {context!r} are both new to the model, but no held-out condition was new "
                f"in both. The contexts with perturbed training cells are {listed(dict.fromkeys(known_contexts))}."
            )
            raise ValueError(msg)
        if over != "perturbations":
            return Kind(over, is_combination=False)
        return Kind(over, is_combination, is_mean=not is_combination and self._has_mean(label))

    def _check_measured_doses(self, label: str, dose: Dose | None) -> None:
        """Refuse doses at which a trained perturbation was not measured: no calibration holds doses out."""
        if not self.has_doses:
            return
        state = self._perturbation_state()
        codes: Iterable[int] = range(len(state["conditions"]))
        trained = [cells for cells in (self.train_indices, self.validation_indices) if cells is not None]
        if self.adata is not None and trained:
            codes = np.unique(self._condition_codes(self.adata)[np.concatenate(trained).astype(np.int64)]).tolist()
        measured: dict[str, set[float]] = {}
        for code in codes:
            names = self.labelling.members(state["conditions"][code])
            for name, value in zip(names, state["doses"][code], strict=True):
                measured.setdefault(name, set()).add(value)
        members = self.labelling.members(label)
        for name, value in zip(members, member_doses(members, dose), strict=True):
            if name in measured and value not in measured[name] | {0.0}:
                msg = (
                    f"There is no interval for {name!r} at dose {value:g}: it was measured at "
                    f"{', '.join(format(one, 'g') for one in sorted(measured[name]))}, and a calibration holds out perturbations, combinations or "
                    "contexts, not doses. Predict the dose without an interval; `scpi.benchmark.evaluate` with "
                    "`scpi.benchmark.splits.leave_doses_out` shows the error of such predictions."
                )
                raise ValueError(msg)

    def _alike(self, kind: Kind) -> Alike:
        """Held-out conditions of a kind. Conditions that share what was held out count as one group."""
        kept = self.left_out_[kind.over]
        rows = np.arange(len(kept["perturbation"]))
        if kind.over == "perturbations":
            rows = np.flatnonzero(kept["is_combination"] == kind.is_combination)
        perturbation, context = ([kept[name][row] for row in rows] for name in ("perturbation", "context"))
        groups = np.unique(context if kind.over == "contexts" else perturbation, return_inverse=True)[1]
        predicted, measured, of_mean = (kept[name][rows] for name in ("predicted", "measured", "of_mean"))
        if kind.is_mean:
            # The held-out perturbations as they are predicted without what is known of them
            predicted = of_mean
        return Alike(LeftOut(predicted, measured, of_mean, groups.astype(np.intp)), perturbation, context)

    def _calibrated(
        self,
        labels: Sequence[str],
        changes: NDArray[np.float64],
        *,
        context: str | None,
        dose: Dose | None,
        interval: float,
    ) -> Calibrated:
        """Intervals and confidence of predicted changes, conditions x genes."""
        level = check_level(interval)
        lower, upper, confidence = np.zeros_like(changes), np.zeros_like(changes), np.ones(len(labels))
        where = [] if context is None else [str(context)]
        status = np.array([self._status(label, where) for label in labels], dtype=object)
        rows_of: dict[Kind, list[int]] = {}
        for row, label in enumerate(labels):
            if label != self.control_:
                rows_of.setdefault(self._kind_of(label, context, dose), []).append(row)
        for kind, rows in rows_of.items():
            left_out = self._alike(kind).left_out
            what = "perturbations, in combinations," if kind.is_combination else kind.over
            check_number(left_out.n_groups, level, what, labels[rows[0]])
            asked = changes[rows]
            width = left_out.half_width(asked, level)
            lower[rows], upper[rows] = asked - width, asked + width
            confidence[rows] = left_out.confidence(asked)
            own = [labels[row] for row in rows]
            status[rows] = self._calibrated_status(kind, own, [context] * len(rows), asked)
        return Calibrated(lower, upper, confidence, status.tolist())

    def _calibrated_status(
        self, kind: Kind, labels: Sequence[str], contexts: Sequence[str | None], changes: NDArray[np.float64]
    ) -> NDArray[np.object_]:
        """Status of predicted changes of a kind; it marks those that are no better than the mean."""
        asked = zip(labels, [[] if context is None else [str(context)] for context in contexts], strict=True)
        alike, status = self._alike(kind), np.array([self._status(*one) for one in asked], dtype=object)
        is_new = status != "trained"
        if kind.over == "contexts":
            # Models that were saved before trained contexts were kept have the contexts of their calibration only
            is_new |= ~np.isin(np.array(contexts, dtype=str), alike.context)
        if not kind.is_mean:
            status[is_new & ~alike.left_out.is_better(changes)] = NO_BETTER
        return status

    def _changes_of_means(
        self, adata: AnnData | MuData, chosen: Sequence[NDArray[np.int64]], expected: Iterable[NDArray[np.float32]]
    ) -> NDArray[np.float64]:
        """Mean change of the cells that each prediction started from, conditions x genes."""
        return np.stack(
            [
                mean.mean(axis=0, dtype=np.float64) - np.asarray(self._rows(adata, cells).mean(axis=0)).ravel()
                for cells, mean in zip(chosen, expected, strict=True)
            ]
        )
