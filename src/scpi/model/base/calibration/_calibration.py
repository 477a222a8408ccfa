"""Calibration of a model: refits that hold out some of the training conditions."""

from __future__ import annotations

import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._conditions import Condition
from scpi._slots import listed
from scpi.model.base._constants import KEYS
from scpi.model.base.calibration._conditions import Over, measure
from scpi.model.base.saving._model import untrained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from scpi.model.base.calibration._conditions import Conditions
    from scpi.model.base.prediction._predict import PredictionMixin as Host
else:
    Host = object

_FOLDS = 10


class CalibrationMixin(Host):
    """Predictions of held-out training conditions by refitted models."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not hasattr(cls.train, "_forgets"):
            cls.train = _forgetting(cls.train)

    def calibrate(
        self,
        over: Over | None = None,
        *,
        folds: int | None = None,
        train_kwargs: Mapping[str, Any] | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> None:
        """Estimate prediction errors, for ``predict(..., interval=)`` and :func:`scpi.tl.predicted_hits`.

        The training conditions are divided into folds. For each fold, a model with the arguments of this one is trained
        without the fold and predicts it. Predicted and measured changes are stored in this model and saved with it.
        This takes as many trainings as there are folds. Call it once for each kind of condition to predict.

        Parameters
        ----------
        over
            What to hold out:

            - ``"perturbations"``, with all combinations that contain them, to predict unmeasured perturbations;
            - ``"combinations"``, while their measured members remain, to predict unseen combinations;
            - ``"contexts"``, of which the perturbed cells are held out, to predict known perturbations in another
              context.

            If ``None``, contexts if several are registered, else perturbations.
        folds
            Number of folds. If ``None``, 10, or one per perturbation, combination or context if there are fewer.
            Without it, :class:`PerturbationGP` leaves out perturbations one by one and needs no refits.
        train_kwargs
            Arguments of :meth:`train`. Give those that this model was trained with.
        rng
            Seed or generator of the folds.

        Raises
        ------
        ValueError
            If the model has no training cells, there are fewer than two perturbations, combinations or contexts to hold
            out, or the model cannot predict the held-out conditions.
        """
        self._check_if_trained(warn=False)
        cells = self._calibration_cells()
        self._validate_anndata()
        measured = self._measure(cells)
        over = self._choose_over(over, measured)
        names = measured.names(over)
        if len(names) < 2:
            msg = f"{len(names)} of the {over} were measured in training: at least two are needed to hold some out."
            if self.has_doses:
                msg += " Doses are not held out: a perturbation alone, at several doses, has no intervals."
            raise ValueError(msg)
        if folds is not None and folds < 2:
            msg = f"`folds` must be at least 2, but is {folds}."
            raise ValueError(msg)
        one_by_one = self._leave_one_out(measured) if folds is None and over == "perturbations" else None
        if one_by_one is None:
            n = min(_FOLDS if folds is None else folds, len(names))
            order = as_generator(rng).permutation(len(names))
            parts = [[names[place] for place in part] for part in np.array_split(order, n)]
            one_by_one = self._refit(cells, measured, over, parts, train_kwargs or {})
        rows, predicted, of_mean = one_by_one
        state = self._perturbation_state()
        contexts = self._contexts(self.adata).astype(str) if self.has_contexts else np.array([""])
        self.left_out_ = self.left_out_ | {
            over: {
                "perturbation": [state["conditions"][code] for code in measured.condition[rows]],
                "context": contexts[measured.context[rows]].tolist(),
                "is_combination": measured.is_combination[rows],
                "predicted": predicted.astype(np.float32),
                "of_mean": of_mean.astype(np.float32),
                "measured": measured.change[rows].astype(np.float32),
            }
        }

    def _leave_one_out(
        self, measured: Conditions
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]] | None:
        """Rows of single perturbations, leave-one-out predictions, and their mean; ``None`` without a closed form."""
        return None

    def _calibration_cells(self) -> NDArray[np.int64]:
        """Cells that the model learned from."""
        sets = [getattr(self, name, None) for name in ("train_indices", "validation_indices")]
        known = [np.asarray(cells) for cells in sets if cells is not None]
        if self.adata is None or not known:
            msg = "The training cells are not in the data: calibrate the model before saving it, or load it with them."
            raise ValueError(msg)
        return np.unique(np.concatenate(known)).astype(np.int64)

    def _measure(self, cells: NDArray[np.int64]) -> Conditions:
        conditions = self._perturbation_state()["conditions"]
        return measure(
            self._field(self.adata, KEYS.X),
            cells,
            self._condition_codes(self.adata)[cells],
            self._context_codes(self.adata)[cells],
            self._labels(self.adata)[cells] == self.control_,
            [self.labelling.members(label) for label in conditions],
        )

    def _choose_over(self, over: Over | None, measured: Conditions) -> Over:
        if over is None:
            return "contexts" if self.has_contexts and len(np.unique(measured.context)) > 1 else "perturbations"
        if over not in get_args(Over):
            msg = f"`over` must be one of {listed(get_args(Over))}, or None, but is {over!r}."
            raise ValueError(msg)
        if over == "contexts" and not self.has_contexts:
            msg = "Contexts can only be held out if they are registered: call the setup with `context_key`."
            raise ValueError(msg)
        return over

    def _refit(
        self,
        cells: NDArray[np.int64],
        measured: Conditions,
        over: Over,
        parts: Sequence[Sequence[Any]],
        train_kwargs: Mapping[str, Any],
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """Held-out rows, their predictions by refits, and the mean change of the conditions that each refit had."""
        is_control = self._labels(self.adata)[cells] == self.control_
        of_row, codes = measured.condition, self._condition_codes(self.adata)
        if over == "contexts":
            of_row, codes = measured.context, self._context_codes(self.adata)
        found: list[tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]] = []
        done = np.zeros(len(measured.condition), dtype=bool)
        for part in parts:
            out = measured.left_out(over, part)
            # A combination whose members are in two folds is held out with both, but predicted once
            rows = np.flatnonzero(out & ~done)
            if not len(rows):
                continue
            done[rows] = True
            stays = is_control | ~np.isin(codes[cells], of_row[out])
            model = self._without(cells[stays], train_kwargs)
            predicted = np.stack([model._change_of_row(measured, row, cells[is_control]) for row in rows])
            found.append((rows, predicted, measured.mean_without(over, rows, out)))
        rows, predicted, of_mean = (np.concatenate(parts_of) for parts_of in zip(*found, strict=True))
        return rows, predicted, of_mean

    def _without(self, cells: NDArray[np.int64], train_kwargs: Mapping[str, Any]) -> Any:
        """Train a model with the arguments of this one on the given cells."""
        sets = [np.asarray(getattr(self, name, ()), dtype=np.int64) for name in ("train_indices", "validation_indices")]
        given = dict(train_kwargs)
        splitter = {"external_indexing": [np.intersect1d(own, cells) for own in sets]}
        splitter = dict(given.pop("datasplitter_kwargs", None) or {}) | splitter
        model = untrained(self)
        model.train(**({"enable_progress_bar": False} | given), datasplitter_kwargs=splitter)
        return model

    def _change_of_row(self, measured: Conditions, row: int, controls: NDArray[np.int64]) -> NDArray[np.float64]:
        """Predicted mean change of a condition in its context."""
        code, where = measured.condition[row], measured.context[row]
        state = self._perturbation_state()
        condition = Condition(state["conditions"][code], tuple(state["doses"][code]))
        own = controls[self._context_codes(self.adata)[controls] == where]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The dose .* lies outside of the measured range")
            predicted = self.predict(
                perturbation=condition.label,
                context=str(self._contexts(self.adata)[where]) if self.has_contexts else None,
                dose=condition.dose(self.labelling) if self.has_doses else None,
                indices=own,
                output="mean",
            )
        start = np.asarray(predicted.uns[Key.uns.PREDICTION][Key.uns.CONTROL_MEAN], dtype=np.float64)
        return np.asarray(predicted.X).mean(axis=0, dtype=np.float64) - start


def _forgetting(train: Callable[..., None]) -> Callable[..., None]:
    """Wrap a training method such that it discards an earlier calibration."""

    @wraps(train)
    def called(self: CalibrationMixin, *args: Any, **kwargs: Any) -> None:
        self.left_out_ = {}
        train(self, *args, **kwargs)

    called._forgets = True  # type: ignore[attr-defined]
    return called
