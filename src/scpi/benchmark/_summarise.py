"""Means over perturbations, and paired differences with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._model_names import find_model
from scpi._rng import as_generator
from scpi._scoring._metrics import LOWER_IS_BETTER, NAMES
from scpi._scoring._same_models import name_once
from scpi._sequence import as_list
from scpi.metrics import scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def summarise(
    table: pd.DataFrame,
    *,
    baseline: str | None = None,
    ceiling: str | None = None,
    metrics: Sequence[str] | str | None = None,
    pair_by: Sequence[str] | str = (Key.obs.PERTURBATION,),
    average_over: Sequence[str] | str = (),
    n_bootstrap: int = 2000,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Average the scores of each model, and compare each with a baseline on the same perturbations.

    Models with equal scores in every row, to 1e-9, made the same predictions. They are merged to one model with a name
    such as ``"MeanDelta = NearestDelta"``; arguments accept the name of any of them.

    Parameters
    ----------
    table
        Result of :func:`scpi.benchmark.evaluate` or :func:`scpi.benchmark.compare_predictions`, or several of these
        joined with further columns.
    baseline
        Model to compare the others with; no comparison if ``None``.
    ceiling
        Model that serves as an upper bound, such as ``"split-half ceiling"`` or ``"perfect prediction"``. With a
        baseline and a ceiling, means are also given on a scale on which the baseline is 0 and the ceiling 1.
    metrics
        Columns to summarise, or one; all metrics of :func:`scpi.benchmark.list_metrics` if ``None``.
    pair_by
        Columns that identify the paired rows of two models, such as ``["context", "perturbation"]``. The bootstrap
        resamples these pairs.
    average_over
        Columns over which the scores are averaged first, such as ``["seed"]``: seeds of a model on the same cells are
        not independent.
    n_bootstrap
        Number of bootstrap samples.
    rng
        Seed or generator of the bootstrap.

    Returns
    -------
    Table with one row per model and metric, the models in the order of ``table``: ``model``, ``metric``,
    ``higher_is_better``, ``n`` (pairs with a value), ``mean`` with ``mean_low`` and ``mean_high`` (its 95 % percentile
    interval, NaN of a single pair). With a baseline also ``difference`` (mean of the paired differences, model minus baseline), ``low`` and
    ``high`` (its interval), and ``share_better`` (fraction of the pairs in which the model is better than the baseline;
    errors and distances are better if lower). With a ceiling also ``scaled``. NaN if there is nothing to compare.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If the baseline is not in the table, or two rows of a model have the same ``pair_by``.
    """
    pair_by, average_over = as_list(pair_by), as_list(average_over)
    chosen = [name for name in NAMES if name in table] if metrics is None else as_list(metrics)
    missing = [name for name in ("model", *pair_by, *average_over, *chosen) if name not in table]
    if missing:
        msg = f"The table has no column {missing}, only {list(table.columns)}."
        raise KeyError(msg)
    table = name_once(table)
    names = list(dict.fromkeys(table["model"]))
    baseline, ceiling = (None if name is None else find_model(names, name) for name in (baseline, ceiling))
    for what, name in {"baseline": baseline, "ceiling": ceiling}.items():
        if name is not None and name not in names:
            msg = f"`{what}` must be one of the models {names}, got {name!r}."
            raise ValueError(msg)
    if table.duplicated(["model", *pair_by, *average_over]).any():
        msg = f"A model has several rows with the same {list(pair_by)}. Add columns that distinguish them."
        raise ValueError(msg)
    generator = as_generator(rng)
    rows = []
    for metric in chosen:
        averaged = table.groupby([*pair_by, "model"], observed=True)[metric].mean()
        wide = averaged.unstack("model").astype(np.float64)
        # The same draws for all models, so that their intervals are comparable
        draws = generator.integers(len(wide), size=(n_bootstrap, len(wide)))
        for name in names:
            values = wide[name].to_numpy()
            mean, low, high = _mean(values, draws)
            row = {"model": name, "metric": metric, "higher_is_better": metric not in LOWER_IS_BETTER}
            row["n"] = int(np.isfinite(values).sum())
            row |= {"mean": mean, "mean_low": low, "mean_high": high}
            if baseline is not None:
                of_baseline = wide[baseline].to_numpy()
                row |= _difference(values - of_baseline, draws, metric=metric, own=name == baseline)
                if ceiling is not None:
                    row["scaled"] = scaled(mean, wide[baseline].mean(), wide[ceiling].mean())
            rows.append(row)
    summary = pd.DataFrame(rows)
    order = {name: position for position, name in enumerate(names)}
    return summary.sort_values("model", kind="stable", key=lambda column: column.map(order)).reset_index(drop=True)


def _mean(values: NDArray[np.float64], draws: NDArray[np.int64]) -> tuple[float, float, float]:
    """Mean of the finite values, with its percentile interval."""
    valid = np.isfinite(values)
    if not valid.any():
        return np.nan, np.nan, np.nan
    if valid.sum() == 1:
        # All draws of one value are the same, which says nothing of its error
        return float(values[valid][0]), np.nan, np.nan
    drawn = np.where(valid, values, 0.0)[draws].sum(1) / np.maximum(valid[draws].sum(1), 1)
    low, high = np.quantile(drawn[valid[draws].any(1)], [0.025, 0.975])
    return float(values[valid].mean()), float(low), float(high)


def _difference(
    difference: NDArray[np.float64], draws: NDArray[np.int64], *, metric: str, own: bool
) -> dict[str, float]:
    """Mean of paired differences with its percentile interval."""
    if own or not np.isfinite(difference).any():
        return dict.fromkeys(("difference", "low", "high", "share_better"), np.nan)
    mean, low, high = _mean(difference, draws)
    valid = difference[np.isfinite(difference)]
    better = valid < 0 if metric in LOWER_IS_BETTER else valid > 0
    return {"difference": mean, "low": low, "high": high, "share_better": float(better.mean())}
