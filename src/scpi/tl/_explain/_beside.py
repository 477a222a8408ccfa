"""Comparison of a predicted change with the measured change, with simpler predictions and with the noise ceiling."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scpi.de import group_moments
from scpi.metrics import pearson_delta
from scpi.model.base import KEYS

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base import ScreenModel

    Floats = NDArray[np.float64]


class Measured(NamedTuple):
    """Measured change of a condition."""

    change: Floats
    standard_error: Floats
    """Standard error of the change."""
    noise: Floats
    """Standard error of the mean of the perturbed cells only, as a prediction shares the noise of the controls."""
    n_cells: int


def measure(
    model: ScreenModel, source: AnnData | MuData, label: str, *, context: str | None, dose: Any
) -> Measured | None:
    """Measure the change of a condition relative to the controls of its context; ``None`` without such cells."""
    labels = model._labels(source)
    there = np.ones(len(labels), dtype=bool)
    if context is not None:
        there = model._contexts(source).astype(str)[model._context_codes(source)] == str(context)
    cells = there & (labels == label)
    if model.has_doses and dose is not None:
        cells &= model._doses(source) == dose
    if not cells.any():
        return None
    codes = np.where(cells, 0, np.where(there & (labels == model.control_), 1, -1))
    found = group_moments(model._field(source, KEYS.X), codes, n_groups=2)
    of_mean = found.variance / found.size[:, None]
    change, error = found.mean[0] - found.mean[1], np.sqrt(of_mean.sum(axis=0))
    return Measured(change, error, np.sqrt(of_mean[0]), int(found.size[0]))


def mean_of_training(model: ScreenModel, label: str) -> Floats | None:
    """Compute the mean measured change of the other training conditions; ``None`` without the training cells."""
    if model.adata is None or getattr(model, "train_indices", None) is None:
        return None
    measured = model._measure(model._calibration_cells())
    others = [members != frozenset(model.labelling.members(label)) for members in measured.members]
    return measured.change[others].mean(axis=0) if any(others) else None


def score(predicted: Floats, measured: Measured, mean: Floats | None) -> pd.DataFrame:
    """Compute squared error, relative to that of no change, and correlation of the prediction and of its baselines.

    The last row is the squared error and the largest expected correlation of a perfect prediction, given the noise of
    the perturbed cells. It is NaN if no cells give a standard error.
    """
    names, changes = ["prediction"], [predicted]
    if mean is not None:
        names, changes = [*names, "mean of other perturbations"], [*changes, mean]
    changes.append(np.zeros_like(predicted))
    total = float(np.square(measured.change).sum())
    noise = float(np.square(measured.noise).sum())
    centred = float(np.square(measured.change - measured.change.mean()).sum())
    with warnings.catch_warnings():
        # Of what does not change
        warnings.simplefilter("ignore")
        pearson = np.asarray(pearson_delta(np.tile(measured.change, (len(changes), 1)), np.stack(changes))).tolist()
        errors = [float(np.square(measured.change - one).sum() / total) if total else np.nan for one in changes]
        best = np.sqrt(max(1.0 - noise / centred, 0.0)) if centred and np.isfinite(noise) else np.nan
        floor = noise / total if total else np.nan
    return pd.DataFrame(
        {
            "name": np.array([*names, "no change", "noise of the measurement"], dtype=object),
            "squared_error": [*errors, floor],
            "pearson": [*pearson, float(best)],
        }
    )
