"""Errors of predicted conditions, estimated from held-out conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from scpi._conformal._left_out import LeftOut
from scpi._conformal._quantile import check_level, check_number
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import listed
from scpi.model.base._constants import NO_BETTER
from scpi.model.conditions._rows import Rows

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi.model.base._model_base import ModelBase
    from scpi.model.conditions._rows import Floats

    class Host(ModelBase):
        """Class that the mixin extends."""

        def _training_rows(self) -> tuple[Rows, Floats]:
            """The training conditions, and their transformed values."""

        def _measured_values(self) -> Floats:
            """Values of the training conditions on the registered scale."""

        def _predict_rows(self, rows: Rows, values: Floats, wanted: Rows) -> Floats:
            """Predict conditions with a fit to other conditions, on the registered scale."""

else:
    Host = object

Over = Literal["conditions", "perturbations", "contexts"]
"""What to hold out: single conditions, all of a perturbation, or all of a context."""
_FOLDS = 10
_OVER_OF: dict[str, Over] = {
    "trained": "conditions",
    "unseen condition": "conditions",
    "unseen perturbation": "perturbations",
    "unseen context": "contexts",
}
"""What to hold out for conditions of each status."""


class ConditionCalibrationMixin(Host):
    """Cross-conformal intervals of a model of conditions."""

    left_out_: dict[str, dict[str, NDArray[Any]]]
    """Held-out conditions by kind: predicted and measured values, baseline mean, and group."""

    def calibrate(
        self,
        over: Over = "conditions",
        *,
        folds: int | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> None:
        """Estimate prediction errors, for ``predict(..., interval=)``.

        The training conditions are divided into folds. The method is fitted without each fold in turn, and predicts it.
        Predicted and measured values are stored in this model and saved with it. Call it once for each kind of
        condition to predict.

        Parameters
        ----------
        over
            What to hold out: single ``"conditions"``, to predict other conditions of known perturbations and contexts;
            all conditions of ``"perturbations"``; or all conditions of ``"contexts"``.
        folds
            Number of folds. If ``None``, 10, or one per condition, perturbation or context if there are fewer.
        rng
            Seed or generator of the folds.

        Raises
        ------
        ValueError
            If ``over`` or ``folds`` is invalid, or a fold leaves fewer than two conditions to fit to.
        """
        self._check_if_trained(warn=False)
        if over not in get_args(Over):
            msg = f"`over` must be one of {listed(get_args(Over))}, but is {over!r}."
            raise ValueError(msg)
        rows, values = self._training_rows()
        measured, units = self._measured_values(), _units(over, rows)
        names = np.unique(units)
        n = min(_FOLDS, len(names)) if folds is None else folds
        if not 2 <= n <= len(names):
            msg = (
                f"The {over} have to be divided into at least two parts, and there are {len(names)} of them, but `folds` "
                f"is {folds}."
            )
            raise ValueError(msg)
        predicted, of_mean = np.empty_like(measured), np.empty_like(measured)
        for part in np.array_split(as_generator(rng).permutation(names), n):
            out = np.isin(units, part)
            if (~out).sum() < 2:
                msg = f"Without a part of the {over}, fewer than two conditions are left to fit to: use more `folds`."
                raise ValueError(msg)
            kept, wanted = (
                Rows(rows.context[which], rows.perturbation[which], rows.features[which]) for which in (~out, out)
            )
            predicted[out] = self._predict_rows(kept, values[~out], wanted)
            for row in np.flatnonzero(out):
                like = ~out & (rows.perturbation == rows.perturbation[row])
                of_mean[row] = measured[like if like.any() else ~out].mean(axis=0)
        self.left_out_ = self.left_out_ | {
            over: {
                "predicted": predicted.astype(np.float32),
                "measured": measured.astype(np.float32),
                "of_mean": of_mean.astype(np.float32),
                "group": units.astype(np.int64),
            }
        }

    def _add_interval(self, predicted: AnnData, interval: float) -> None:
        """Add intervals and confidence to predicted values."""
        level, values = check_level(interval), np.asarray(predicted.X, dtype=np.float64)
        status = np.array(predicted.obs[Key.obs.STATUS], dtype=object)
        lower, upper, confidence = np.empty_like(values), np.empty_like(values), np.empty(len(values))
        for kind in dict.fromkeys(status):
            rows, over = np.flatnonzero(status == kind), _OVER_OF.get(kind)
            name = str(predicted.obs_names[rows[0]])
            if over is None:
                msg = (
                    f"The perturbation and the context of {name!r} are both new to the model, but no held-out "
                    "condition was new in both: there is no interval for it."
                )
                raise ValueError(msg)
            if over not in self.left_out_:
                msg = (
                    f"An interval for {name!r} needs a calibration that holds out {over}: "
                    f"call `model.calibrate({over!r})` first."
                )
                raise ValueError(msg)
            kept = self.left_out_[over]
            left_out = LeftOut(kept["predicted"], kept["measured"], kept["of_mean"], kept["group"])
            check_number(left_out.n_groups, level, over, name)
            width = left_out.half_width(values[rows], level)
            lower[rows], upper[rows] = values[rows] - width, values[rows] + width
            confidence[rows] = left_out.confidence(values[rows])
            if kind != "trained":
                status[rows[~left_out.is_better(values[rows])]] = NO_BETTER
        predicted.layers[Key.layers.LOWER] = lower.astype(np.float32)
        predicted.layers[Key.layers.UPPER] = upper.astype(np.float32)
        predicted.obs[Key.obs.CONFIDENCE] = confidence
        predicted.obs[Key.obs.STATUS] = status
        predicted.obs[Key.obs.STATUS] = predicted.obs[Key.obs.STATUS].astype("category")
        predicted.uns[Key.uns.PREDICTION]["interval"] = level


def _units(over: Over, rows: Rows) -> NDArray[np.int64]:
    """Code of the unit with which each row is held out."""
    if over == "conditions":
        return np.arange(len(rows.context))
    return rows.perturbation if over == "perturbations" else rows.context
