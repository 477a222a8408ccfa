"""Means over perturbations, and paired differences with their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._rng import as_generator
from scpi.benchmark._scores import ACROSS, LOWER_IS_BETTER, SCORES

if TYPE_CHECKING:
    from collections.abc import Sequence

_METRICS = (*dict.fromkeys((*SCORES, "pearson_top", "r2", "sign_accuracy", *ACROSS)),)


def summarise(
    table: pd.DataFrame,
    *,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    pair_by: Sequence[str] = (Key.obs.PERTURBATION,),
    n_bootstrap: int = 2000,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Average the scores of each model, and compare each with a baseline on the same perturbations.

    Parameters
    ----------
    table
        What :func:`scpi.benchmark.evaluate` or :func:`scpi.benchmark.compare_predictions` returns, or several of these joined
        with further columns.
    baseline
        Model that the others are compared with; no comparison if ``None``.
    metrics
        Columns to summarise; all known ones if ``None``.
    pair_by
        Columns whose values tell which rows of two models belong together, such as ``["seed", "perturbation"]``. The
        pairs are what the bootstrap draws.
    n_bootstrap
        Number of bootstrap samples.
    rng
        Seed or generator of the bootstrap.

    Returns
    -------
    Table with one row a model and metric, the models in the order of ``table``: ``model``, ``metric``, ``n`` (rows
    with a value), ``mean``; with a baseline also ``difference`` (mean of the paired differences, model less baseline),
    ``low`` and ``high`` (its 95 % percentile interval), and ``share_better`` (of the pairs in which the model is better
    than the baseline; errors and distances are better if lower). NaN where there is nothing to compare.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If the baseline is not in the table, or two rows of a model have the same ``pair_by``.
    """
    chosen = [name for name in _METRICS if name in table] if metrics is None else list(metrics)
    missing = [name for name in ("model", *pair_by, *chosen) if name not in table]
    if missing:
        msg = f"The table has no column {missing}, only {list(table.columns)}."
        raise KeyError(msg)
    names = list(dict.fromkeys(table["model"]))
    if baseline is not None and baseline not in names:
        msg = f"`baseline` must be one of the models {names}, got {baseline!r}."
        raise ValueError(msg)
    if table.duplicated(["model", *pair_by]).any():
        msg = f"A model has several rows with the same {list(pair_by)}. Name the columns that tell them apart."
        raise ValueError(msg)
    generator = as_generator(rng)
    rows = []
    for metric in chosen:
        wide = table.pivot(index=list(pair_by), columns="model", values=metric).astype(np.float64)
        # The same draws for all models, so that their intervals can be compared
        draws = generator.integers(len(wide), size=(n_bootstrap, len(wide)))
        for name in names:
            row = {"model": name, "metric": metric, "n": int(wide[name].notna().sum()), "mean": wide[name].mean()}
            if baseline is not None:
                row |= _difference((wide[name] - wide[baseline]).to_numpy(), draws, metric=metric, own=name == baseline)
            rows.append(row)
    summary = pd.DataFrame(rows)
    order = {name: position for position, name in enumerate(names)}
    return summary.sort_values("model", kind="stable", key=lambda column: column.map(order)).reset_index(drop=True)


def _difference(difference: np.ndarray, draws: np.ndarray, *, metric: str, own: bool) -> dict[str, float]:
    """Mean of paired differences with its percentile interval."""
    valid = np.isfinite(difference)
    if own or not valid.any():
        return dict.fromkeys(("difference", "low", "high", "share_better"), np.nan)
    drawn = np.where(valid, difference, 0.0)[draws].sum(1) / np.maximum(valid[draws].sum(1), 1)
    drawn = drawn[valid[draws].any(1)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    better = difference[valid] < 0 if metric in LOWER_IS_BETTER else difference[valid] > 0
    return {
        "difference": float(difference[valid].mean()),
        "low": float(low),
        "high": float(high),
        "share_better": float(better.mean()),
    }
