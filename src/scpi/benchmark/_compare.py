"""Scores of several models on the same cells, beside what the noise of the cells allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._rng import as_generator
from scpi.metrics import score_change, spearman_brown, split_half_ceiling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from scpi.model.base import ScreenModel

CEILING = "split-half ceiling"
CEILING_ALL_CELLS = "ceiling, all cells"

_OF_CHANGE = ("pearson", "pearson_top", "rmse", "r2", "sign_accuracy")


def compare_predictions(
    models: Mapping[str, ScreenModel],
    *,
    perturbation: str | Sequence[str] | None = None,
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    n_splits_ceiling: int = 20,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Evaluate models on the same cells with the same draws, beside the noise ceiling of those cells.

    Parameters
    ----------
    models
        Trained models and baselines by the name that the table gives them. All have the same training data and the
        same split.
    perturbation
        Labels to evaluate; all that have two cells or more if ``None``.
    indices
        Cells to compare with, the control included. If ``None``, the cells that ``evaluate`` of the models takes:
        the test set, or all cells where there is none.
    n_splits_ceiling
        Random halves of the cells that the ceiling is averaged over.
    rng
        Seed or generator; every model starts from the same draws.

    Returns
    -------
    Table with one row a model and perturbation: ``model``, ``perturbation``, ``status``, ``n_cells`` and the metrics
    of ``evaluate``. Two more "models" follow. ``"split-half ceiling"`` scores one half of the measured cells against
    the other, and is conservative: both halves are noisier than what a prediction is compared with.
    ``"ceiling, all cells"`` has its Pearson correlation extrapolated to all cells with the formula of Spearman and
    Brown: that of two measurements of this size.

    Raises
    ------
    ValueError
        If there is no model, the models were tested on different cells, or read their expression on different scales.
    """
    if not models:
        msg = "`models` is empty: give at least one trained model by its name."
        raise ValueError(msg)
    seed = int(as_generator(rng).integers(2**31))
    first = next(iter(models.values()))
    cells = first._cells_to_compare(first.adata, indices, own=True)
    _check_same_cells(models, cells, indices_given=indices is not None)
    wanted = first._conditions_to_compare(first._labels(first.adata)[cells], perturbation)
    tables = [
        model.evaluate(perturbation=wanted, indices=cells, rng=seed).reset_index().assign(model=name)
        for name, model in models.items()
    ]
    tables.append(_ceiling(first, cells, wanted, n_splits=n_splits_ceiling, seed=seed))
    # A column that is missing in one table would be filled by concat, with a warning on the dtype in some versions
    columns = list(tables[0].columns)
    table = pd.concat([part.reindex(columns=columns) for part in tables], ignore_index=True)
    return table[["model", *(name for name in columns if name != "model")]]


def _check_same_cells(models: Mapping[str, ScreenModel], cells: NDArray[np.int64], *, indices_given: bool) -> None:
    """What is compared must be the same cells, on the same scale, and unseen by all or by none."""
    (first_name, first), *others = models.items()
    control = first._control_cells(first.adata, context=None, indices=cells)
    profile = first._to_log_scale(first._expression(first.adata, control)).mean(0)
    for name, model in others:
        own = model._cells_to_compare(model.adata, None, own=True)
        reference = first._cells_to_compare(first.adata, None, own=True)
        if model.adata.n_obs != first.adata.n_obs or not (indices_given or np.array_equal(own, reference)):
            msg = f"{name!r} and {first_name!r} were tested on different cells: train them on the same split."
            raise ValueError(msg)
        other = model._to_log_scale(model._expression(model.adata, control)).mean(0)
        if other.shape != profile.shape or not np.allclose(other, profile, rtol=1e-3, atol=1e-3):
            msg = (
                f"{name!r} and {first_name!r} do not read the same expression. Errors are only comparable on one "
                "scale: counts are compared as log1p of 10,000 a cell, so give other models that layer."
            )
            raise ValueError(msg)


def _ceiling(
    model: ScreenModel, cells: NDArray[np.int64], wanted: Sequence[str], *, n_splits: int, seed: int
) -> pd.DataFrame:
    """Rows of the ceiling, from the measured cells that the evaluation compares with."""
    adata = model.adata
    labels = model._labels(adata)
    # The same generator as `evaluate`, so that this is the half of the control that it measures changes against
    _, reference = model._halve_controls(adata, cells, np.random.default_rng(seed))
    control = model._to_log_scale(model._expression(adata, reference))
    rows: list[dict[str, Any]] = []
    for label in wanted:
        members = cells[labels[cells] == label]
        expression = model._to_log_scale(model._expression(adata, members))
        scores = {
            name: split_half_ceiling(
                expression, control, metric=_metric(name), n_splits=n_splits, rng=np.random.default_rng(seed)
            ).mean
            for name in _OF_CHANGE
        }
        shared = {Key.obs.PERTURBATION: label, Key.obs.STATUS: "measured", "n_cells": len(members)}
        rows.append({"model": CEILING, **shared, **scores})
        # Extrapolating a correlation of noise alone, which may be negative, means nothing
        corrected = spearman_brown(max(scores["pearson"], 0.0))
        rows.append({"model": CEILING_ALL_CELLS, **shared, "pearson": corrected})
    return pd.DataFrame(rows).sort_values("model", kind="stable", key=lambda names: names != CEILING)


def _metric(name: str) -> Any:
    def score(real: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(score_change(real, predicted, metrics=[name])[name])

    return score
