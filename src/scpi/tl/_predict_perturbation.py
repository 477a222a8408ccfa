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

# Endings of the other entries of `varm`
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
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    r"""Predict how perturbations change the mean expression, in every context and at every dose.

    Every perturbation is predicted in every context at every dose. A predicted change is the mean of the predicted
    cells less that of the control cells that they started from; within a context, all conditions start from the same.
    Cells are predicted a condition at a time and not kept: the `predict` of the model returns them.

    Next to the predicted changes stand the measured ones of the same perturbations and contexts, at all doses, where the
    data has such cells. They are no test of the model where it was trained on these cells, and share the noise of the
    controls with the prediction: :func:`score_prediction` and :func:`scpi.benchmark.evaluate` keep them apart.

    The changes can be used like the saliency of latent units: `scpi.tl.gene_set_impact(adata, key="predicted_change")`
    says which gene sets a perturbation is predicted to move, and :func:`scpi.pl.dose_response` draws the doses.

    Parameters
    ----------
    data
        Annotated data with control cells, cells x genes, or a MuData together with `mod`. It need not be what the model
        was trained on.
    model
        Trained model or baseline of ``scpi.model`` that predicts perturbations.
    perturbation
        Label or labels: perturbations, seen or not in combination, with members in any order.
    context
        Context or contexts, which may be ones that were not trained on. If `None`, each that has control cells, where
        contexts are registered.
    dose
        Dose or doses, on the scale of `dose_key`. If `None`, those at which a perturbation was measured, in the data or
        else in training, where doses are registered.
    n_between
        Number of doses to add between each two neighbours, evenly on the scale of :math:`\log(1 + \mathrm{dose})`:
        for a curve.
    n_cells
        Control cells of a context to start from, drawn at random; all, at most 1,000, if `None`.
    indices
        Control cells to start from, by position or as a mask, instead of all.
    %(rng)s
    %(written_key_added)s

    `adata.varm['predicted_change' | key_added]` : :class:`numpy.ndarray` (dtype `float32`)
        Predicted change, genes x conditions, on the scale of the registered expression.
    `adata.varm['predicted_change_measured' | key_added + '_measured']` : :class:`numpy.ndarray` (dtype `float32`)
        Measured change, genes x measured conditions: the mean of the perturbed less that of all control cells of the
        context. Only where there are such cells.
    `adata.varm['predicted_change_measured_se' | key_added + '_measured_se']` : :class:`numpy.ndarray` (dtype `float32`)
        Its standard error, if cells were drawn independently; NaN for a single cell.
    `adata.uns['predicted_change' | key_added]` : :class:`dict`
        `units`, a name for each condition (`"context: perturbation @ dose"`), `params`, and two tables with one row for
        each column of the above: `conditions` (`perturbation`; `context` and `dose` where they are registered; `status`
        as in `predict`; `extrapolated`, whether the dose is outside of those that were measured; `n_cells`, predicted) and
        `measured` (`perturbation`, `context`, `dose`, `n_cells`).

    Raises
    ------
    RuntimeError
        If the model is not trained.
    TypeError
        If the model predicts no perturbations.
    ValueError
        If a perturbation or context is unknown, repeated or without control cells, a perturbation is the control, a dose
        is negative, the model knows no contexts or doses where they are given, or has other genes.

    Warns
    -----
    UserWarning
        Once, if doses lie outside of the range of those that were measured.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=40)
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
        # The same seed within a context, so that doses differ by no draw
        seed = seeds[condition.context]
        change[:, column], n = _change(model, source, condition, n_cells=n_cells, indices=indices, rng=seed)
        n_predicted.append(n)

    stored = _describe(model, conditions, n_predicted, n_between=n_between, n_cells=n_cells)
    measured = _measure(model, source, labels, contexts)
    result, target = view.output(copy)
    # What an earlier call left would seem to belong to this one
    for ending in (_MEASURED, _MEASURED_SE):
        target.varm.pop(key_added + ending, None)
    target.varm[key_added] = change
    if measured is not None:
        stored["measured"], target.varm[key_added + _MEASURED], target.varm[key_added + _MEASURED_SE] = measured
    target.uns[key_added] = stored
    return result


def _change(
    model: ScreenModel, source: AnnData | MuData, condition: Condition, **options: Any
) -> tuple[NDArray[np.float64], int]:
    """Change of the mean under a condition, and from how many cells. The cells are given up before the next."""
    with warnings.catch_warnings():
        # Said once, for all conditions
        warnings.filterwarnings("ignore", message="The dose .* lies outside of the measured range")
        predicted = model.predict(source, **condition._asdict(), **options, output="mean")
    start = np.asarray(predicted.uns[Key.uns.PREDICTION][Key.uns.CONTROL_MEAN], dtype=np.float64)
    return np.asarray(predicted.X).mean(axis=0, dtype=np.float64) - start, predicted.n_obs


def _describe(
    model: ScreenModel, conditions: Sequence[Condition], n_predicted: Sequence[int], **params: Any
) -> dict[str, Any]:
    """What the columns of the predicted changes are, and how they were made."""
    table = tabulate(conditions)
    table[Key.obs.STATUS] = np.array([model._status(condition.perturbation) for condition in conditions], dtype=object)
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
    """Table of the measured conditions of some perturbations and contexts, their changes and standard errors."""
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
