from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._rng import as_generator
from scpi._slots import listed, read_labels, result_params
from scpi.metrics import energy_distance, mmd, score_change, split_half_ceiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

_OF_CHANGE = ("pearson", "pearson_top", "rmse", "r2", "sign_accuracy")
_OF_CELLS = ("mmd", "energy_distance")


@fill
def score_prediction(
    adata: AnnData,
    real: AnnData | MuData,
    *,
    groupby: str = Key.obs.PERTURBATION,
    reference: str = "control",
    layer: str | None = None,
    control_indices: ArrayLike | None = None,
    metrics: Sequence[str] | None = None,
    top_k: int = 20,
    n_cells_max: int = 1000,
    delimiter: str = "+",
    rng: int | np.random.Generator | None = 0,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Compare predicted cells with real ones, perturbation by perturbation.

    The real change is the mean of the real cells of a perturbation less that of the real control cells. The predicted
    change is the mean of the predicted cells less that of the control cells that the prediction started from. Next to
    the scores stand what no change would score, and the ceiling that the noise of the measurement sets. To be fair
    to what was learned, give real cells that the model has not seen.

    Parameters
    ----------
    adata
        Predicted cells x genes, as the `predict` of a model returns them. The mean of the control cells that they
        started from is `adata.uns["prediction"]["control_mean"]`; without it that of the real control cells is taken.
    real
        Real cells, with at least the genes of the prediction, on the same scale.
    groupby
        Column of `obs` with the perturbation, in both. The order within a combination does not matter.
    reference
        Label of the control cells in `real`.
    layer
        Entry of `layers` of `real` to compare with, in place of its `X`.
    control_indices
        Which cells of `real` to take as control (indices or a boolean mask), such as those that a model has not
        seen; all with the label `reference` if `None`.
    metrics
        Which of `"pearson"`, `"pearson_top"`, `"rmse"`, `"r2"`, `"sign_accuracy"` (of the change, see
        :func:`scpi.metrics.score_change`), `"mmd"` (squared, without bias, one set of bandwidths for all
        perturbations) and `"energy_distance"` (of the cells) to compute; all if `None`.
    top_k
        Number of genes of `"pearson_top"`: those whose real change is largest.
    n_cells_max
        Most cells of a kind that the metrics of cells use, drawn at random.
    %(delimiter)s
    %(rng)s
    mod
        Modality to use, where `real` is a MuData.
    %(copy)s

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following fields:

    `adata.varm['change_predicted']`, `adata.varm['change_real']` : :class:`numpy.ndarray` (dtype `float64`)
        Changes, genes x perturbations; NaN where there are no real cells.
    `adata.uns['prediction']['perturbations']` : :class:`numpy.ndarray`
        The perturbations, as the columns of the changes.
    `adata.uns['prediction']['scores']` : :class:`pandas.DataFrame`
        One row for each perturbation: `perturbation`, `status` (if the prediction has it), `n_predicted`, `n_real`,
        the metrics, `rmse_no_change`, `mmd_no_change` and `energy_distance_no_change` (of the control cells in place
        of predicted ones), and `pearson_ceiling` (one half of the real cells against the other). NaN where there are
        no real cells, or too few.

    Raises
    ------
    KeyError
        If a column or layer is not there.
    ValueError
        If no perturbation has both kinds of cells, `real` lacks genes or control cells, a metric is unknown, or a
        value is not finite.
    """
    measured = resolve_modality(real, mod)
    chosen = [*_OF_CHANGE, *_OF_CELLS] if metrics is None else list(metrics)
    unknown = [name for name in chosen if name not in (*_OF_CHANGE, *_OF_CELLS)]
    if unknown:
        msg = f"Unknown metrics {listed(unknown)}: choose from {listed((*_OF_CHANGE, *_OF_CELLS))}."
        raise ValueError(msg)
    values = _real_values(adata, measured, layer)
    predicted_labels = _canonical(read_labels(adata, groupby), delimiter)
    real_labels = _canonical(read_labels(real, groupby, mod=mod), delimiter)
    control = _control_rows(real_labels, reference, control_indices)
    perturbations = [label for label in dict.fromkeys(predicted_labels) if label and label != reference]
    rows = {label: np.flatnonzero(real_labels == label) for label in perturbations}
    if not any(len(found) for found in rows.values()):
        msg = (
            f"None of the predicted perturbations is in `real`: predicted are {listed(perturbations)}, "
            f"real are {listed(sorted(set(real_labels) - {''}))}."
        )
        raise ValueError(msg)

    cells = _Cells(values=values, control=control, n_max=n_cells_max, generator=as_generator(rng))
    control_mean = _mean(values[control])
    start_mean = _start_mean(adata, control_mean)
    n_genes = adata.n_vars
    change_predicted, change_real = np.full((2, n_genes, len(perturbations)), np.nan)
    records = []
    for column, label in enumerate(perturbations):
        made = adata.X[np.flatnonzero(predicted_labels == label)]
        change_predicted[:, column] = _mean(made) - start_mean
        record: dict[str, Any] = {"perturbation": label}
        if Key.obs.STATUS in adata.obs:
            record["status"] = str(adata.obs[Key.obs.STATUS].iloc[np.flatnonzero(predicted_labels == label)[0]])
        record |= {"n_predicted": made.shape[0], "n_real": len(rows[label])}
        if len(rows[label]):
            change_real[:, column] = _mean(values[rows[label]]) - control_mean
            record |= _scores(change_real[:, column], change_predicted[:, column], chosen, top_k)
            record |= cells.scores(made, rows[label], chosen)
        records.append(record)
    scores = pd.DataFrame(records)
    for name in ("perturbation", "status"):
        if name in scores:
            scores[name] = scores[name].astype(object)

    result = adata.copy() if copy else None
    target = adata if result is None else result
    stored = dict(target.uns.get(Key.uns.PREDICTION, {}))
    stored["perturbations"] = np.array(perturbations, dtype=object)
    stored["scores"] = scores
    stored["score_params"] = result_params(
        groupby=groupby, reference=reference, layer=layer, top_k=top_k, n_cells_max=n_cells_max, n_control=len(control)
    )
    target.varm[Key.varm.CHANGE_PREDICTED] = change_predicted
    target.varm[Key.varm.CHANGE_REAL] = change_real
    target.uns[Key.uns.PREDICTION] = stored
    return result


@dataclass
class _Cells:
    """Real cells, for the metrics that compare samples of cells."""

    values: Any
    control: NDArray[np.intp]
    n_max: int
    generator: np.random.Generator

    def __post_init__(self) -> None:
        self.some_control = self.sample(self.values, self.control)
        # The same bandwidths for all perturbations, so that their discrepancies can be compared
        spread = 2.0 * float(self.some_control.var(axis=0, ddof=1).sum()) if len(self.some_control) > 1 else 0.0
        self.bandwidth = spread if spread > 0 else None

    def sample(self, values: Any, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        if len(rows) > self.n_max:
            rows = np.sort(self.generator.choice(rows, self.n_max, replace=False))
        return _dense(values[rows])

    def scores(self, made: Any, rows: NDArray[np.intp], chosen: Sequence[str]) -> dict[str, float]:
        """Metrics of the cells, what the control scores in their place, and the ceiling of the correlation."""
        scores: dict[str, float] = {}
        enough = min(len(rows), made.shape[0], len(self.some_control)) > 1
        if enough and set(chosen) & set(_OF_CELLS):
            truth = self.sample(self.values, rows)
            guess = self.sample(made, np.arange(made.shape[0]))
            if "mmd" in chosen:
                scores["mmd"] = mmd(truth, guess, base_bandwidth=self.bandwidth)
                scores["mmd_no_change"] = mmd(truth, self.some_control, base_bandwidth=self.bandwidth)
            if "energy_distance" in chosen:
                scores["energy_distance"] = energy_distance(truth, guess)
                scores["energy_distance_no_change"] = energy_distance(truth, self.some_control)
        if "pearson" in chosen and min(len(rows), len(self.control)) > 1:
            ceiling = split_half_ceiling(self.values[rows], self.values[self.control], rng=self.generator)
            scores["pearson_ceiling"] = ceiling.mean
        return scores


def _scores(
    real: NDArray[np.float64], predicted: NDArray[np.float64], chosen: Sequence[str], top_k: int
) -> dict[str, Any]:
    scores: dict[str, Any] = dict(
        score_change(real, predicted, metrics=[name for name in chosen if name in _OF_CHANGE], top_k=top_k)
    )
    if "rmse" in scores:
        scores["rmse_no_change"] = score_change(real, np.zeros_like(real), metrics=["rmse"])["rmse"]
    return scores


def _dense(values: Any) -> NDArray[np.float64]:
    return np.asarray(values.toarray() if sparse.issparse(values) else values, dtype=np.float64)


def _mean(values: Any) -> NDArray[np.float64]:
    # Weights in float64, as the mean of a sparse matrix sums in the precision of the matrix
    return np.asarray(np.full(values.shape[0], 1.0 / values.shape[0]) @ values, dtype=np.float64)


def _canonical(labels: pd.Categorical, delimiter: str) -> NDArray[np.object_]:
    """Label of each cell with the parts of a combination sorted; empty where it is missing."""
    sorted_parts = [
        delimiter.join(sorted(part.strip() for part in label.split(delimiter))) for label in labels.categories
    ]
    return np.array([*sorted_parts, ""], dtype=object)[labels.codes]


def _real_values(adata: AnnData, measured: AnnData, layer: str | None) -> Any:
    """Real expression in the genes of the prediction, checked."""
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
    values = measured.X if layer is None else measured.layers[layer]
    values = values.tocsr() if sparse.issparse(values) else values[:]
    order = measured.var_names.get_indexer(adata.var_names)
    if not np.array_equal(order, np.arange(measured.n_vars)):
        values = values[:, order]
    for name, matrix in {"adata": adata.X, "real": values}.items():
        if not np.isfinite(matrix.data if sparse.issparse(matrix) else np.asarray(matrix)).all():
            msg = f"The expression in `{name}` has NaN or infinite values."
            raise ValueError(msg)
    return values


def _control_rows(labels: NDArray[np.object_], reference: str, indices: ArrayLike | None) -> NDArray[np.intp]:
    is_control = labels == reference
    if indices is not None:
        chosen = np.zeros(len(labels), dtype=bool)
        chosen[np.asarray(indices)] = True
        if (chosen & ~is_control).any():
            msg = f"`control_indices` has {(chosen & ~is_control).sum()} cell(s) that are not labelled {reference!r}."
            raise ValueError(msg)
        is_control = chosen
    rows = np.flatnonzero(is_control)
    if len(rows) == 0:
        msg = f"`real` has no control cells {reference!r}: its labels are {listed(sorted(set(labels) - {''}))}."
        raise ValueError(msg)
    return rows


def _start_mean(adata: AnnData, control_mean: NDArray[np.float64]) -> NDArray[np.float64]:
    stored = adata.uns.get(Key.uns.PREDICTION, {})
    if Key.uns.CONTROL_MEAN not in stored:
        return control_mean
    mean = np.asarray(stored[Key.uns.CONTROL_MEAN], dtype=np.float64)
    if mean.shape != control_mean.shape:
        msg = (
            f"`adata.uns['prediction']['control_mean']` has shape {mean.shape}, but there are {adata.n_vars} genes. "
            "Score the prediction before genes are taken from it."
        )
        raise ValueError(msg)
    return mean
