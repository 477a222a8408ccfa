"""Scores of several models on the same cells, with the noise ceiling of these cells."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._scoring._controls import divide_controls
from scpi._scoring._conventions import EXCLUDE_TARGETS, N_CELLS, N_COMPONENTS, N_SPLITS, check_conventions
from scpi._scoring._metrics import check_metrics
from scpi._scoring._noise_ceiling import CEILING, PERFECT, noise_ceiling
from scpi._scoring._rows import check_rows, given_halves, read_halves
from scpi._screen._chosen_rows import column_means
from scpi._slots import read_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from scpi._scoring._controls import ReferenceCells
    from scpi._scoring._prediction import Prediction
    from scpi._scoring._rows import Rows
    from scpi.model.base import ScreenModel


@fill
def compare_predictions(
    models: Mapping[str, ScreenModel],
    *,
    perturbation: str | Sequence[str] | None = None,
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    rows: Rows = "cells",
    halves: tuple[str, str] | None = None,
    metrics: Sequence[str] | str | None = None,
    reference_cells: ReferenceCells | ArrayLike = "apart",
    n_cells: int = N_CELLS,
    n_components: int | None = N_COMPONENTS,
    exclude_targets: bool = EXCLUDE_TARGETS,
    n_splits: int = N_SPLITS,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Evaluate trained models on the same cells with the same draws, together with the noise ceiling of these cells.

    Parameters
    ----------
    models
        Trained models and baselines by their names in the table. All must have the same training data and the same
        split.
    perturbation
        Labels to evaluate. If ``None``, all with at least two cells, or with a profile.
    indices
        Cells to compare with, including controls. If ``None``, the cells that ``evaluate`` of the models uses: the test
        set, or all cells without a test set.
    %(rows)s
    %(halves)s
    %(metrics)s
    %(reference_cells)s
    %(n_cells)s
    %(n_components)s
    %(exclude_targets)s
    n_splits
        Number of random halves of the cells over which the ceiling is averaged.
    rng
        Seed or generator; all models use the same draws.

    Returns
    -------
    Table with one row per model and perturbation: ``model``, ``perturbation``, ``status``, ``n_cells`` and the metrics
    of ``evaluate``. Two more "models" follow from :func:`scpi.benchmark.noise_ceiling`: for ``"split-half ceiling"``,
    one half of the measured cells predicts the other; ``"perfect prediction"`` is the largest expected correlation of a
    prediction with all measured cells.

    Raises
    ------
    ValueError
        If there is no model, a metric is unknown, or the models were tested on different cells or read expression on
        different scales.
    """
    if not models:
        msg = "`models` is empty: give at least one trained model by its name."
        raise ValueError(msg)
    chosen = check_metrics(metrics, rows)
    check_rows(rows, halves)
    check_conventions(n_cells, n_components)
    generator = as_generator(rng)
    seed = int(generator.integers(2**31))
    first = next(iter(models.values()))
    cells = first._cells_to_compare(first.adata, indices, own=True)
    controls = first._control_cells(first.adata, context=None, indices=cells)
    _check_same_cells(models, cells, controls, indices_given=indices is not None)
    labels = first._labels(first.adata)[cells]
    wanted = first._conditions_to_compare(labels, perturbation, rows)
    # The half that `evaluate` of the models draws with the same seed
    _, reference = divide_controls(controls, reference_cells, np.random.default_rng(seed), rows=rows)
    options: dict[str, Any] = {"metrics": chosen, "n_cells": n_cells, "n_components": n_components}
    options["exclude_targets"] = exclude_targets
    tables = [
        model.evaluate(
            perturbation=wanted, indices=cells, rows=rows, reference_cells=reference_cells, rng=seed, **options
        )
        .reset_index()
        .assign(model=name)
        for name, model in models.items()
    ]
    shared = [
        {Key.obs.PERTURBATION: label, Key.obs.STATUS: "measured", Key.obs.N_CELLS: int((labels == label).sum())}
        for label in wanted
    ]
    measured = first._measured_conditions(cells, wanted, reference, seed=seed, **options)
    if rows == "conditions":
        measured = _with_halves(measured, first, cells, wanted, reference, halves)
    found = noise_ceiling(measured, chosen, n_splits=n_splits, rng=generator)
    for name, scored in zip((CEILING, PERFECT), found, strict=True):
        tables.append(pd.DataFrame([known | row for known, row in zip(shared, scored, strict=True)]).assign(model=name))
    table = pd.concat(tables, ignore_index=True)
    return table[["model", *(name for name in table if name != "model")]]


def _with_halves(
    measured: Iterator[Prediction],
    model: ScreenModel,
    cells: NDArray[np.int64],
    wanted: Sequence[str],
    reference: NDArray[np.int64],
    names: tuple[str, str] | None,
) -> Iterator[Prediction]:
    """Measured profiles with those of their halves."""
    halves = read_halves(partial(read_layer, model._modality(model.adata)), names)
    labels = model._labels(model.adata)[cells]
    for label, one in zip(wanted, measured, strict=True):
        yield replace(one, **given_halves(halves, cells[labels == label], reference, one.reference))


def _check_same_cells(
    models: Mapping[str, ScreenModel], cells: NDArray[np.int64], controls: NDArray[np.int64], *, indices_given: bool
) -> None:
    """Check that models are compared on the same cells and scale, and that all or none have seen these cells."""
    (first_name, first), *others = models.items()
    profile = column_means(first._compared_rows(first.adata, controls))
    for name, model in others:
        same = model.adata.n_obs == first.adata.n_obs
        if not same or not (
            indices_given or np.array_equal(model._cells_to_compare(model.adata, None, own=True), cells)
        ):
            msg = f"{name!r} and {first_name!r} were tested on different cells: train them on the same split."
            raise ValueError(msg)
        other = column_means(model._compared_rows(model.adata, controls))
        if other.shape != profile.shape or not np.allclose(other, profile, rtol=1e-3, atol=1e-3):
            msg = (
                f"{name!r} and {first_name!r} do not read the same expression. Errors are only comparable on one "
                "scale: counts are compared as log1p of 10,000 per cell, so give other models that layer."
            )
            raise ValueError(msg)
