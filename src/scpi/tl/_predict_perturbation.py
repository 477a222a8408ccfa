from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi._view import View
from scpi.model.base import KEYS, ScreenModel
from scpi.tl._conditions import Condition, find_contexts, find_doses, find_labels, tabulate, warn_of_extrapolation
from scpi.tl._measured_change import measured_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

# Suffixes of the other entries of `varm`
_LOWER = Key.varm.PREDICTED_CHANGE_LOWER.removeprefix(Key.varm.PREDICTED_CHANGE)
_UPPER = Key.varm.PREDICTED_CHANGE_UPPER.removeprefix(Key.varm.PREDICTED_CHANGE)
_MEASURED = Key.varm.PREDICTED_CHANGE_MEASURED.removeprefix(Key.varm.PREDICTED_CHANGE)
_MEASURED_SE = Key.varm.PREDICTED_CHANGE_MEASURED_SE.removeprefix(Key.varm.PREDICTED_CHANGE)


@fill
def predict_perturbation(
    data: AnnData | MuData,
    model: ScreenModel,
    perturbation: str | Sequence[str],
    *,
    context: str | Sequence[str] | None = None,
    dose: float | ArrayLike | None = None,
    n_between: int = 0,
    n_cells: int | None = None,
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    interval: float | None = None,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    r"""Predict how perturbations change the mean expression, in every context and at every dose.

    Every perturbation is predicted in every context at every dose. A predicted change is the mean of the predicted
    cells minus that of the control cells that they started from. Within a context, all conditions start from the same
    control cells. Cells are predicted one condition at a time and not stored: use `predict` of the model to get them.

    If the data has cells of the same perturbations and contexts, their measured changes are stored as well, at all
    doses. They do not test a model that was trained on these cells, and they share the noise of the controls with the
    prediction. :func:`score_prediction` and :func:`scpi.benchmark.evaluate` avoid both.

    The changes can be used like the saliency of latent units. `scpi.tl.gene_set_impact(adata, key="predicted_change")`
    finds the gene sets that a perturbation is predicted to affect, and :func:`scpi.pl.dose_response` draws the doses.

    Parameters
    ----------
    data
        Annotated data with control cells, cells x genes, or a MuData together with `mod`. It may differ from the
        training data of the model.
    model
        Trained model or baseline of ``scpi.model`` that predicts perturbations.
    perturbation
        Label or labels of perturbations. Combinations may be unseen, with their members in any order.
    context
        Context or contexts, also unseen ones. If `None` and contexts are registered, all that have control cells.
    dose
        Dose or doses, on the scale of `dose_key`. If `None` and doses are registered, those at which a perturbation was
        measured, in the data or else in training.
    n_between
        Number of doses to add between each two neighbouring doses, evenly on the scale of
        :math:`\log(1 + \mathrm{dose})`, to draw a curve.
    n_cells
        Number of control cells per context to start from, drawn at random. If `None`, all, but at most 1,000.
    indices
        Control cells to start from, by position or as a mask, instead of all.
    interval
        Coverage of prediction intervals, such as 0.9, as in `predict` of the model, which must be calibrated
        (`calibrate`). There are none for doses that were not measured.
    %(rng)s
    %(written_key_added)s

    `adata.varm['predicted_change' | key_added]` : :class:`numpy.ndarray` (dtype `float32`)
        Predicted change, genes x conditions, on the scale of the registered expression.
    `adata.varm['predicted_change_lower' | key_added + '_lower']`, `adata.varm['predicted_change_upper' | key_added + '_upper']` : :class:`numpy.ndarray` (dtype `float32`)
        With an `interval`: its bounds for the predicted change, genes x conditions.
    `adata.varm['predicted_change_measured' | key_added + '_measured']` : :class:`numpy.ndarray` (dtype `float32`)
        Measured change, genes x measured conditions: the mean of the perturbed cells minus that of all control cells of
        the context. Only if there are such cells.
    `adata.varm['predicted_change_measured_se' | key_added + '_measured_se']` : :class:`numpy.ndarray` (dtype `float32`)
        Its standard error, assuming that cells are independent; NaN for a single cell.
    `adata.uns['predicted_change' | key_added]` : :class:`dict`
        `units`, the name of each condition (`"context: perturbation @ dose"`); `params`; and two tables with one row
        per column of the arrays:

        - `conditions`: `perturbation`; `context` and `dose` if registered; `status`, as in `predict`, and `confidence`
          with an `interval`; `extrapolated`, whether the dose is outside the measured range; and `n_cells`, the number of
          predicted cells.
        - `measured`: `perturbation`, `context`, `dose` and `n_cells`.

    Raises
    ------
    RuntimeError
        If the model is not trained.
    TypeError
        If the model predicts no perturbations.
    ValueError
        If a perturbation or context is unknown, repeated or without control cells; a perturbation is the control; a
        dose is negative; contexts or doses are given to a model without them; or the model has other genes. With an
        `interval`, if the model is not calibrated for a condition, or a dose was not measured.

    Warns
    -----
    UserWarning
        Once, if doses lie outside the measured range.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=40)
    >>> sc.pp.normalize_total(adata)
    >>> sc.pp.log1p(adata)
    >>> scpi.model.Additive.setup_anndata(adata)
    >>> model = scpi.model.Additive(adata)
    >>> model.train()
    >>> single = model.perturbations_[:2]
    >>> scpi.tl.predict_perturbation(adata, model, single)
    >>> adata.varm["predicted_change"].shape == (adata.n_vars, 2)
    True
    """
    key_added = Key.varm.PREDICTED_CHANGE if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    if not isinstance(model, ScreenModel):
        msg = (
            f"{type(model).__name__} predicts no perturbations: give a model or baseline of `scpi.model` such as "
            "`scpi.model.MeanDelta`."
        )
        raise TypeError(msg)
    model._check_if_trained(warn=False)
    adata = view.adata
    source = model._validate_anndata(data if model.registry["setup_method_name"] == "setup_mudata" else adata)
    if source is data and model._modality(source) is not adata:
        msg = f"The model reads another modality than `mod={mod!r}`."
        raise ValueError(msg)
    labels = find_labels(model, perturbation)
    contexts = find_contexts(model, source, context, indices)
    doses = find_doses(model, source, labels, dose, n_between)
    conditions = [Condition(label, name, value) for label in labels for name in contexts for value in doses[label]]
    warn_of_extrapolation(model, doses)
    seeds = dict(zip(contexts, as_generator(rng).integers(2**31, size=len(contexts)).tolist(), strict=True))
    change, n_predicted = np.empty((adata.n_vars, len(conditions)), dtype=np.float32), []
    for column, condition in enumerate(conditions):
        # The same seed within a context, so that doses do not differ by random draws
        seed = seeds[condition.context]
        change[:, column], n = _change(model, source, condition, n_cells=n_cells, indices=indices, rng=seed)
        n_predicted.append(n)

    stored = _describe(model, conditions, n_predicted, n_between=n_between, n_cells=n_cells, interval=interval)
    ends = {} if interval is None else _intervals(model, stored["conditions"], conditions, change, interval)
    measured = _measure(model, source, labels, contexts)
    result, target = view.output(copy)
    # Entries of an earlier call would seem to belong to this one
    for ending in (_LOWER, _UPPER, _MEASURED, _MEASURED_SE):
        target.varm.pop(key_added + ending, None)
    target.varm[key_added] = change
    for ending, values in ends.items():
        target.varm[key_added + ending] = values
    if measured is not None:
        stored["measured"], target.varm[key_added + _MEASURED], target.varm[key_added + _MEASURED_SE] = measured
    target.uns[key_added] = stored
    return result


def _change(
    model: ScreenModel, source: AnnData | MuData, condition: Condition, **options: Any
) -> tuple[NDArray[np.float64], int]:
    """Predict the mean change of a condition and count its cells, which are freed before the next condition."""
    with warnings.catch_warnings():
        # The caller warns once for all conditions
        warnings.filterwarnings("ignore", message="The dose .* lies outside of the measured range")
        predicted = model.predict(source, **condition._asdict(), **options, output="mean")
    start = np.asarray(predicted.uns[Key.uns.PREDICTION][Key.uns.CONTROL_MEAN], dtype=np.float64)
    return np.asarray(predicted.X).mean(axis=0, dtype=np.float64) - start, predicted.n_obs


def _intervals(
    model: ScreenModel,
    table: pd.DataFrame,
    conditions: Sequence[Condition],
    change: NDArray[np.float32],
    interval: float,
) -> dict[str, NDArray[np.float32]]:
    """Bounds of the changes, genes x conditions, by suffix; the table gets the status and the confidence."""
    found = [
        model._calibrated(
            [one.perturbation], column[None].astype(np.float64), context=one.context, dose=one.dose, interval=interval
        )
        for one, column in zip(conditions, change.T, strict=True)
    ]
    table[Key.obs.STATUS] = np.array([one.status[0] for one in found], dtype=object)
    table.insert(table.columns.get_loc(Key.obs.STATUS) + 1, Key.obs.CONFIDENCE, [one.confidence[0] for one in found])
    ends = {_LOWER: [one.lower[0] for one in found], _UPPER: [one.upper[0] for one in found]}
    return {ending: np.stack(values, axis=1).astype(np.float32) for ending, values in ends.items()}


def _describe(
    model: ScreenModel, conditions: Sequence[Condition], n_predicted: Sequence[int], **params: Any
) -> dict[str, Any]:
    """Describe the columns of the predicted changes, and how they were computed."""
    table = tabulate(conditions)
    asked = [(one.perturbation, [] if one.context is None else [one.context]) for one in conditions]
    table[Key.obs.STATUS] = np.array([model._status(label, contexts) for label, contexts in asked], dtype=object)
    if model.has_doses:
        table["extrapolated"] = [model._is_extrapolated(float(condition.dose or 0)) for condition in conditions]
    table[Key.obs.N_CELLS] = np.array(n_predicted, dtype=np.int64)
    setup = model.registry["setup_args"]
    keys = {name: setup.get(name) for name in ("layer", "perturbation_key", "context_key", "dose_key")}
    return {
        "units": np.array([condition.name for condition in conditions], dtype=object),
        "conditions": table,
        "params": result_params(model=type(model).__name__, control=model.control_, **params, **keys),
    }


def _measure(
    model: ScreenModel, source: AnnData | MuData, labels: Sequence[str], contexts: Sequence[str | None]
) -> tuple[pd.DataFrame, NDArray[np.float32], NDArray[np.float32]] | None:
    """Tabulate the measured conditions of some perturbations and contexts, with changes and standard errors."""
    of_label, of_dose = model._labels(source), model._doses(source)
    of_context: NDArray[Any] = np.full(len(of_label), None, dtype=object)
    if model.has_contexts:
        of_context = model._contexts(source).astype(str).astype(object)[model._context_codes(source)]
    in_context = np.isin(of_context, np.asarray(contexts, dtype=object))
    cells = np.flatnonzero(np.isin(of_label, list(labels)) & in_context)
    if not len(cells):
        return None
    keys = [
        Condition(label, name, float(dose) if model.has_doses else None)
        for label, name, dose in zip(of_label[cells], of_context[cells], of_dose[cells], strict=True)
    ]
    found = sorted(
        set(keys), key=lambda one: (labels.index(one.perturbation), contexts.index(one.context), one.dose or 0.0)
    )
    place = {condition: code for code, condition in enumerate(found)}
    codes = np.full(len(of_label), -1, dtype=np.intp)
    codes[cells] = [place[key] for key in keys]
    for code, name in enumerate(contexts, start=len(found)):
        codes[(of_label == model.control_) & (of_context == name)] = code
    control_of = [len(found) + contexts.index(condition.context) for condition in found]
    measured = measured_change(model._field(source, KEYS.X), codes, control_of)
    table = tabulate(found).assign(n_cells=measured.n_cells)
    return table, measured.change.T.astype(np.float32), measured.standard_error.T.astype(np.float32)
