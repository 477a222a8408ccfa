"""Scores by fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scpi._scoring._metrics import LOWER_IS_BETTER, NAMES
from scpi._scoring._same_models import name_once
from scpi._sequence import as_list

if TYPE_CHECKING:
    from collections.abc import Sequence


def fold_table(
    table: pd.DataFrame, *, by: Sequence[str] | str = "split", metrics: Sequence[str] | str | None = None
) -> pd.DataFrame:
    """Average the scores of each model within folds, with the mean and the standard deviation over folds.

    The columns ``by`` define the folds: a split of :func:`scpi.benchmark.evaluate`, a split and a seed, or any further
    column, such as whether a condition was trained on. Folds share most of their training data. The standard deviation
    thus measures how much a result depends on the fold, and is not a standard error. :func:`scpi.benchmark.summarise`
    gives intervals over conditions.

    Parameters
    ----------
    table
        Result of :func:`scpi.benchmark.evaluate`, or several of these joined with further columns.
    by
        Columns that identify folds.
    metrics
        Columns to average, or one; all metrics of :func:`scpi.benchmark.list_metrics` that the table has if ``None``.

    Returns
    -------
    Table with one row per model, metric and fold, the models in the order of ``table``: ``model``, ``metric``,
    ``higher_is_better``, the columns ``by``, ``n`` (conditions with a value, counted once per prediction), ``mean``
    (over these), and, constant over the rows of a model and metric, ``n_folds`` (with a value), ``mean_of_folds`` and
    ``sd_of_folds`` (with n - 1; NaN for one fold).

    Raises
    ------
    KeyError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from scpi.benchmark import fold_table
    >>> scores = pd.DataFrame({"model": "m", "split": ["1", "1", "2"], "pearson": [0.4, 0.6, 0.7]})
    >>> fold_table(scores)[["split", "n", "mean"]].to_numpy().tolist()
    [['1', 2, 0.5], ['2', 1, 0.7]]
    """
    by = as_list(by)
    chosen = [name for name in NAMES if name in table] if metrics is None else as_list(metrics)
    missing = [name for name in ("model", *by, *chosen) if name not in table]
    if missing:
        msg = f"The table has no column {missing}, only {list(table.columns)}."
        raise KeyError(msg)
    table = name_once(table)
    models = list(dict.fromkeys(table["model"]))
    long = table.melt(["model", *by], chosen, var_name="metric", value_name="value")
    folds = long.groupby(["model", "metric", *by], sort=False, observed=True)["value"].agg(["count", "mean"])
    folds = folds.reset_index().rename(columns={"count": "n"})
    over = folds.groupby(["model", "metric"], sort=False)["mean"].agg(["count", "mean", "std"])
    over.columns = pd.Index(["n_folds", "mean_of_folds", "sd_of_folds"])
    folds = folds.merge(over.reset_index(), on=["model", "metric"])
    folds.insert(2, "higher_is_better", ~folds["metric"].isin(LOWER_IS_BETTER))
    order = pd.DataFrame(
        {name: pd.Categorical(folds[name], names) for name, names in (("model", models), ("metric", chosen))}
    )
    return folds.iloc[order.sort_values(["model", "metric"], kind="stable").index].reset_index(drop=True)
