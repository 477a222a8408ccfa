from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._scoring._conventions import EXCLUDE_TARGETS, N_CELLS, N_COMPONENTS, check_conventions
from scpi._scoring._metrics import LOWER_IS_BETTER, METRICS, check_metrics
from scpi._scoring._noise_ceiling import noise_ceiling
from scpi._scoring._prediction import Prediction
from scpi._scoring._score import score
from scpi._scoring._targets import find_targets
from scpi._scoring._training_cells import components_of, others_of, perturbed_mean_of
from scpi._screen._checks import as_indices, check_expression
from scpi._screen._chosen_rows import choose_rows
from scpi._screen._labels import Labelling
from scpi._screen._matrix import as_matrix, stored_values
from scpi._screen._stored_rows import checked_rows
from scpi._slots import listed, result_params
from scpi._view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scpi._scoring._controls import ReferenceCells
    from scpi._scoring._training_cells import Read
    from scpi._screen._labels import Control

# Control cells in which counts are recognised
_SEEN = 1000


@fill
def score_prediction(
    adata: AnnData,
    real: AnnData | MuData,
    *,
    perturbation_key: str | None = None,
    control: Control | Sequence[Control] | None = None,
    layer: str | None = None,
    reference_cells: ReferenceCells | ArrayLike = "apart",
    train_cells: ArrayLike | None = None,
    metrics: Sequence[str] | str | None = None,
    n_cells: int = N_CELLS,
    n_components: int | None = N_COMPONENTS,
    exclude_targets: bool = EXCLUDE_TARGETS,
    delimiter: str | None = "+",
    rng: int | np.random.Generator | None = 0,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Score predicted cells against real ones, for each perturbation.

    The real change is the mean of the real cells of a perturbation minus that of the real control cells. The predicted
    change is the mean of the predicted cells minus that of the control cells that the prediction started from. The
    scores are stored with those of a prediction of no change, and with the ceiling set by measurement noise. For a fair
    evaluation, give real cells of the predicted context that the model was not trained on.

    A prediction that started from cells outside `real`, such as controls of another tool or generated cells, is scored
    against the mean of other controls. Their noise is part of its change, so that it scores lower than the same
    prediction made from cells of `real`: compare tools on the same controls.

    Parameters
    ----------
    adata
        Predicted cells x genes, as returned by `predict` of a model, or those of `generate` after normalisation. `adata.obs["source_cell"]` has the control cell
        from which each started. If it is missing, or these cells are not in `real`, the mean of the control cells is
        `adata.uns["prediction"]["control_mean"]`, or else that of the real control cells.
    real
        Real cells, with at least the genes of the prediction, on the same scale: log-normalised, or changes.
    perturbation_key
        Column of `obs` with the perturbation, in both, or of `real` alone if the prediction has the column
        `"perturbation"`. If `None`, that of the setup of the model, which `adata.uns["prediction"]` records, otherwise
        `"perturbation"`. Labels are read as in the models: the order within a combination does not matter, and "A"
        combined with the control is "A".
    control
        Label or labels of the control cells in `real`. If `None`, those of the setup of the model, or `"control"`.
    layer
        Entry of `layers` of `real` to compare with; its `X` if `None`.
    reference_cells
        Control cells of `real` that define the real change. With `"apart"`, they are half of the controls, preferably
        those from which no prediction started. Predicted cells that started from this half are left out, so that the
        noise of shared controls does not count as skill. All controls are used if the prediction started from cells
        that are not in `real`. With `"all"`, all controls are used. Otherwise the positions of these cells, or a mask.
    train_cells
        Training cells of the model in `real`, by position or as a mask. Perturbed training cells are excluded from the
        comparison. The principal components and the mean of the perturbed conditions are those of the training cells,
        as in :func:`scpi.benchmark.evaluate`. If `None`, all cells serve both purposes.
    %(metrics)s
    n_cells
        Maximum number of measured, predicted and control cells in metrics that compare cells, drawn at random.
    %(n_components)s
    %(exclude_targets)s
    %(delimiter)s
    %(rng)s
    mod
        Modality to use if `real` is a MuData.
    %(copy)s

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following fields:

    `adata.varm['change_predicted']`, `adata.varm['change_real']` : :class:`numpy.ndarray` (dtype `float64`)
        Changes, genes x perturbations, for all genes; NaN without real cells.
    `adata.uns['prediction']['perturbations']` : :class:`numpy.ndarray`
        The perturbations, in the order of the columns of the changes.
    `adata.uns['prediction']['scores']` : :class:`pandas.DataFrame`
        One row per perturbation: `perturbation`, `status` (if the prediction has it), `n_predicted`, `n_real`, and the
        metrics; NaN without, or with too few, real cells. Each error and distance is followed by the score of no change
        (such as `rmse_no_change`). Each correlation is followed by that of one half of the real cells with the other
        (`pearson_ceiling`) and that of a perfect prediction (`pearson_perfect`), see
        :func:`scpi.benchmark.noise_ceiling`.

    Raises
    ------
    KeyError
        If a column or layer does not exist.
    ValueError
        If no perturbation has both kinds of cells, `real` lacks genes or control cells, a metric is unknown, a value is
        not finite, or raw counts are given.
    """
    predicted, measured = View.of(adata), View.of(real, mod, layer)
    chosen = check_metrics(metrics)
    check_conventions(n_cells, n_components)
    read = _real_values(adata, measured)
    recorded = adata.uns.get(Key.uns.PREDICTION, {})
    if perturbation_key is None:
        perturbation_key = _recorded_key(recorded, measured)
    if control is None:
        control = _texts(recorded.get("control", "control"))
    labelling = Labelling.of(control, delimiter)
    predicted_labels = _labels(predicted.labels(_predicted_key(adata, perturbation_key)), labelling)
    real_labels = _labels(measured.labels(perturbation_key), labelling)
    perturbations = [label for label in dict.fromkeys(predicted_labels) if label and label != labelling.control]
    train = as_indices(train_cells, len(real_labels))
    # Without training cells, all cells are compared and give the components
    is_measured = np.full(len(real_labels), True)
    if train_cells is not None:
        is_measured[train] = False
    rows = _places(real_labels, is_measured, perturbations)
    if not any(len(found) for found in rows.values()):
        msg = (
            f"None of the predicted perturbations is in `real`: predicted are {listed(perturbations)}, "
            f"real are {listed(sorted(set(real_labels) - {''}))}."
        )
        raise ValueError(msg)
    generator = as_generator(rng)
    controls = _find_controls(adata, measured.adata.obs_names, real_labels, labelling, reference_cells, generator)
    perturbed = train[~np.isin(real_labels[train], ["", labelling.control])]
    reference = read(controls.reference)
    # Scores of logarithms mean nothing for counts, which overflow where they are taken for logarithms
    for values, what in ((predicted.source, "adata.X"), (reference[:_SEEN], _name_of_real(layer))):
        check_expression(values, logs=True, signed=True, what=what)
    shared: dict[str, Any] = {
        "reference": reference,
        "perturbed_mean": perturbed_mean_of(
            read, perturbed, np.unique(real_labels[perturbed], return_inverse=True)[1], chosen
        ),
        "components": components_of(read, train, n_components, chosen),
        "n_cells": n_cells,
        "seed": int(generator.integers(2**31)),
    }
    made = checked_rows(predicted.source, partial(_check_finite, name="adata"))
    start_mean = _start_mean(adata)
    cells_of = _places(predicted_labels, controls.is_apart, perturbations)

    def prediction(label: str) -> Prediction:
        cells = cells_of[label]
        start = read(controls.start[cells] if controls.start is not None else controls.others)
        if controls.start is None and start_mean is not None:
            start = start_mean[None]
        return Prediction(
            real=read(rows[label]),
            predicted=choose_rows(made, cells),
            start=start,
            others=others_of(read, perturbed, real_labels[perturbed], label, n_cells=n_cells, seed=shared["seed"]),
            targets=find_targets(adata.var_names, labelling.members(label), exclude_targets=exclude_targets),
            **shared,
        )

    sizes = {label: (len(cells_of[label]), len(rows[label])) for label in perturbations}
    scores, changes = _table(prediction, sizes, chosen, adata.n_vars, generator)
    if Key.obs.STATUS in adata.obs:
        first = {label: np.flatnonzero(predicted_labels == label)[0] for label in perturbations}
        status = [str(adata.obs[Key.obs.STATUS].iloc[first[label]]) for label in perturbations]
        scores.insert(1, "status", np.array(status, dtype=object))

    _, target = predicted.output(copy)
    stored = dict(target.uns.get(Key.uns.PREDICTION, {}))
    stored["perturbations"] = np.array(perturbations, dtype=object)
    stored["scores"] = scores
    stored["score_params"] = result_params(
        perturbation_key=perturbation_key,
        control=list(labelling.controls),
        layer=layer,
        n_cells=n_cells,
        n_components=n_components,
        exclude_targets=exclude_targets,
        n_reference=len(controls.reference),
    )
    target.varm[Key.varm.CHANGE_REAL], target.varm[Key.varm.CHANGE_PREDICTED] = changes
    target.uns[Key.uns.PREDICTION] = stored
    return target if copy else None


def _recorded_key(recorded: Mapping[str, Any], real: View) -> str:
    """Column of the perturbations of the model, if real cells have it."""
    (key,) = _texts(recorded.get("perturbation_key", Key.obs.PERTURBATION))
    return key if key in real.adata.obs or key in real.data.obs else Key.obs.PERTURBATION


def _texts(recorded: Any) -> list[str]:
    """Words that a prediction records, which are an array where it was stored, and a lazy one in a file."""
    return [str(one) for one in np.atleast_1d(np.asarray(recorded)).tolist()]


def _predicted_key(adata: AnnData, key: str) -> str:
    """Column with the perturbations of predicted cells."""
    for name in (key, Key.obs.PERTURBATION):
        if name in adata.obs:
            return name
    msg = (
        f"`adata.obs` has no column {key!r}, only {listed(adata.obs)}: name that with the perturbations "
        "(`perturbation_key=`), and the label of their control (`control=`)."
    )
    raise KeyError(msg)


def _name_of_real(layer: str | None) -> str:
    return "real.X" if layer is None else f"real.layers[{layer!r}]"


class _Controls(NamedTuple):
    """Control cells of the real data, by position."""

    reference: NDArray[np.int64]
    """Cells that define the real change."""
    others: NDArray[np.int64]
    """Cells that a prediction of unknown origin is assumed to start from."""
    start: NDArray[np.int64] | None
    """Cell that each predicted cell started from; ``None`` if unknown."""
    is_apart: NDArray[np.bool_]
    """Whether each predicted cell started outside the reference."""


def _find_controls(
    adata: AnnData,
    names: pd.Index,
    labels: NDArray[np.object_],
    labelling: Labelling,
    reference_cells: ReferenceCells | ArrayLike,
    rng: np.random.Generator,
) -> _Controls:
    """Choose the reference, and find the predicted cells that started from other cells."""
    controls = np.flatnonzero(labels == labelling.control)
    if not len(controls):
        msg = f"`real` has no control cells {labelling.control!r}: its labels are {listed(sorted(set(labels) - {''}))}."
        raise ValueError(msg)
    start = None
    if Key.obs.SOURCE_CELL in adata.obs and names.is_unique:
        start = names.astype(str).get_indexer(adata.obs[Key.obs.SOURCE_CELL].astype(str))
        start = None if (start < 0).any() else start.astype(np.int64)
    all_cells = np.ones(adata.n_obs, dtype=bool)
    if not isinstance(reference_cells, str):
        chosen = np.unique(as_indices(np.asarray(reference_cells), len(labels)))
        if len(wrong := np.setdiff1d(chosen, controls)) or not len(chosen):
            msg = f"`reference_cells` has {len(wrong)} cell(s) that are not labelled {labelling.control!r}."
            raise ValueError(msg)
    elif reference_cells == "all" or (start is None and _start_mean(adata) is not None):
        return _Controls(controls, controls, start, all_cells)
    elif reference_cells == "apart":
        # Half of the controls, preferably those from which no prediction started
        shuffled = rng.permutation(controls)
        is_used = np.isin(shuffled, [] if start is None else start)
        chosen = np.sort(shuffled[np.argsort(is_used, kind="stable")][: max(1, len(controls) - len(controls) // 2)])
    else:
        msg = f"`reference_cells` must be 'apart', 'all', or positions of control cells, but is {reference_cells!r}."
        raise ValueError(msg)
    others = np.setdiff1d(controls, chosen)
    is_apart = all_cells if start is None else ~np.isin(start, chosen)
    return _Controls(chosen, others if len(others) else controls, start, is_apart if is_apart.any() else all_cells)


def _table(
    prediction: Callable[[str], Prediction],
    sizes: Mapping[str, tuple[int, int]],
    metrics: Sequence[str],
    n_genes: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Compute the scores, one row per perturbation, and the real and predicted changes, genes x perturbations.

    ``sizes`` are numbers of predicted and of real cells. Predictions are computed on demand and not stored, because
    those of thousands of perturbations would take more memory than the cells.
    """
    measured = [label for label, both in sizes.items() if all(both)]
    errors = [name for name in metrics if name in METRICS and name in LOWER_IS_BETTER]
    correlations = [name for name in metrics if name in METRICS and METRICS[name].is_correlation]
    changes = np.full((2, n_genes, len(sizes)), np.nan)
    column = {label: place for place, label in enumerate(sizes)}

    def first_look(label: str) -> Prediction:
        one, (n_predicted, n_real) = prediction(label), sizes[label]
        if n_predicted:
            changes[1, :, column[label]] = one.predicted_change
        if n_real:
            changes[0, :, column[label]] = one.real_change
        return one

    found = dict(zip(measured, score(map(first_look, measured), metrics), strict=True))
    for label in sizes.keys() - found.keys():
        first_look(label)
    unchanged = dict(zip(measured, score((_no_change(prediction(label)) for label in measured), errors), strict=True))
    halves, perfect = (
        dict(zip(measured, rows, strict=True))
        for rows in noise_ceiling(map(prediction, measured), correlations, rng=rng)
    )
    records = []
    for label, (n_predicted, n_real) in sizes.items():
        record: dict[str, Any] = {"perturbation": label, "n_predicted": n_predicted, "n_real": n_real}
        for name in metrics:
            record[name] = found[label][name] if label in found else np.nan
            if name in errors:
                record[f"{name}_no_change"] = unchanged[label][name] if label in found else np.nan
            if name in correlations:
                record[f"{name}_ceiling"] = halves[label][name] if label in found else np.nan
                record[f"{name}_perfect"] = perfect[label][name] if label in found else np.nan
        records.append(record)
    return pd.DataFrame(records).astype({"perturbation": object}), changes


def _no_change(one: Prediction) -> Prediction:
    """Take the control cells as a prediction of themselves."""
    cells = one.start if one.start.shape[0] > 1 else one.reference
    return replace(one, predicted=cells, start=cells)


def _places(
    labels: NDArray[np.object_], chosen: NDArray[np.bool_], wanted: Sequence[str]
) -> dict[str, NDArray[np.intp]]:
    """Find the positions of the chosen cells with each label."""
    places = np.flatnonzero(chosen)
    found = pd.Series(places).groupby(labels[places]).indices
    return {label: places[found[label]] if label in found else places[:0] for label in wanted}


def _labels(labels: pd.Categorical, labelling: Labelling) -> NDArray[np.object_]:
    """Read the canonical label of each cell; empty if it is missing or not assigned."""
    read = labelling.read(labels)
    return np.array([*read.categories, ""], dtype=object)[read.codes]


def _real_values(adata: AnnData, view: View) -> Read:
    """Check the real expression, and make a reader of it in the genes of the prediction."""
    measured, layer = view.adata, view.layer
    # The message of the view would name `adata`, which is the prediction here
    if layer is not None and layer not in measured.layers:
        msg = f"`real.layers` has no {layer!r}, only {listed(measured.layers)}."
        raise KeyError(msg)
    for name, names in {"adata": adata.var_names, "real": measured.var_names}.items():
        if not names.is_unique:
            msg = f"The names of the genes of `{name}` are not unique. Call `{name}.var_names_make_unique()`."
            raise ValueError(msg)
    missing = adata.var_names.difference(measured.var_names, sort=False)
    if len(missing):
        msg = f"`real` lacks {len(missing)} of the {adata.n_vars} predicted genes: {listed(missing, 5)}."
        raise ValueError(msg)
    values = checked_rows(view.source, partial(_check_finite, name="real"))
    order = measured.var_names.get_indexer(adata.var_names)
    columns = None if np.array_equal(order, np.arange(measured.n_vars)) else order
    return partial(choose_rows, values, columns=columns)


def _check_finite(values: Any, *, name: str) -> Any:
    """Load the matrix, or a block of it, into memory and check it."""
    matrix = as_matrix(values)
    if not np.isfinite(stored_values(matrix)).all():
        msg = f"The expression in `{name}` has NaN or infinite values."
        raise ValueError(msg)
    return matrix


def _start_mean(adata: AnnData) -> NDArray[np.float64] | None:
    """Read the mean of the control cells that the prediction started from, if it is stored."""
    stored = adata.uns.get(Key.uns.PREDICTION, {})
    if Key.uns.CONTROL_MEAN not in stored:
        return None
    mean = np.asarray(stored[Key.uns.CONTROL_MEAN], dtype=np.float64)
    if mean.shape != (adata.n_vars,):
        msg = (
            f"`adata.uns['prediction']['control_mean']` has shape {mean.shape}, but there are {adata.n_vars} genes. "
            "Score the prediction before you select genes from it."
        )
        raise ValueError(msg)
    return mean
