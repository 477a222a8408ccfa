"""The report of a grid: one page, and its tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scpi._optional import import_extra
from scpi._replace import replaced
from scpi._scoring._bounds import NEGATIVE, POSITIVE
from scpi._sequence import as_list
from scpi.benchmark._dynamic_range import dynamic_range
from scpi.benchmark.grid import _grid_model
from scpi.benchmark.grid._collect import collect
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._grid_model import GridNull
from scpi.benchmark.grid._kinds._kind import KINDS
from scpi.benchmark.grid._names import look_up
from scpi.benchmark.grid._plan import Plan
from scpi.benchmark.grid._reporting._nulls import compare_nulls
from scpi.benchmark.grid._reporting._page import write_page
from scpi.benchmark.grid._reporting._ranking import benchmarks, by_context, rank
from scpi.benchmark.grid._reporting._records import costs, failures, further_columns, leaks
from scpi.benchmark.grid._reporting._regimes import regimes
from scpi.benchmark.grid._status import status

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from scpi.benchmark.grid._grid import Grid

PAGE = "report.html"
"""Name of the page."""
_BASELINES = (
    "scpi.model.baselines",
    "scpi.benchmark.references._factors",
    "scpi.benchmark.references._k_means_clusters",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class GridReport:
    """The tables of a report, with one row per data set (``data``), split (``scheme``) and further columns."""

    path: Path
    """Path of the page."""
    scores: pd.DataFrame
    """Result of :func:`scpi.benchmark.grid.collect`."""
    ranking: pd.DataFrame
    """Each model in each metric: ``rank`` (shared if ``tied``), ``kind`` (model, baseline or reference), ``mean`` with
    its interval, and the paired ``difference`` from the best ``baseline`` with its interval (``low``, ``high``).
    ``standing`` is the conclusion (``"ahead"``, ``"level"``, ``"behind"``, or ``"too few"`` below six conditions).
    ``n_common`` of ``n_all`` pairs of condition and seed were compared."""
    regimes: pd.DataFrame
    """Conditions in which each model beats the best baseline (``n_wins`` of ``n_conditions``), by ``regime``."""
    nulls: pd.DataFrame
    """Each model and its matched ``null``: the means of both, the paired ``difference`` (model minus null) with its
    interval, and the ``standing`` of the model (``"above"``, ``"level"``, ``"below"``, or ``"too few"``); empty without
    nulls."""
    dynamic_range: pd.DataFrame
    """Result of :func:`scpi.benchmark.dynamic_range`; empty without bounds."""
    contexts: pd.DataFrame
    """Means in each context."""
    costs: pd.DataFrame
    """Time, memory and number of parameters of each model."""
    failures: pd.DataFrame
    """Tasks without a result and attempts that were killed, with the reasons."""
    leaks: pd.DataFrame
    """Leaks of medium and high severity between training and test cells, with the number of affected folds, the
    evidence in the first fold, and the remedy."""
    further: pd.DataFrame
    """Columns of the scores that are neither metrics nor names, by model."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by file name."""
        names = (
            "scores",
            "ranking",
            "regimes",
            "nulls",
            "dynamic_range",
            "contexts",
            "costs",
            "failures",
            "leaks",
            "further",
        )
        return {name: getattr(self, name) for name in names if len(getattr(self, name))}


def report(
    out: str | os.PathLike[str],
    *,
    plan: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    baselines: Sequence[str] | str | None = None,
    metrics: Sequence[str] | str | None = None,
    title: str | None = None,
    n_bootstrap: int = 2000,
    rng: int = 0,
) -> GridReport:
    """Write a self-contained page on the finished tasks of a grid, and its tables as parquet files.

    Models are ranked in each metric on each data set and split, on the conditions and seeds that all of them have
    predicted. Models with values in fewer than half of these are listed, but not ranked. Seeds are averaged first, so
    that conditions are the pairs of a comparison. Models share a rank if the 95 % bootstrap interval of the paired
    difference from the first model with that rank contains 0. Each model is compared with the best baseline, and with
    its matched null if it has one. With fewer than six conditions, no model is called better or worse.

    Parameters
    ----------
    out
        Folder of the grid.
    plan
        Hash of the plan; the newest of the folder if ``None``.
    folder
        Folder for the page, ``report.html``, and the tables; ``report`` in the folder of the grid if ``None``.
    baselines
        Names of the models to compare the others with. If ``None``, all models whose class is listed as a baseline in
        the API.
    metrics
        Metrics to show, beginning with the one for the figures; all of the grid if ``None``.
    title
        Title of the page; that of the folder if ``None``.
    n_bootstrap
        Number of bootstrap samples.
    rng
        Seed of the bootstrap.

    Returns
    -------
    The tables, and the path of the page.

    Raises
    ------
    FileNotFoundError
        If the folder holds no grid.
    ImportError
        If pyarrow is missing.
    ValueError
        If no task of a model is finished, or a baseline or metric is not in the grid.
    """
    import_extra("pyarrow.parquet")
    of_grid = Folder(Path(out).expanduser().absolute())
    read = Plan.read(of_grid, plan)
    found = status(of_grid.root, plan=read.word)
    scores = collect(of_grid.root, plan=read.word)
    of_all = list(read.grid.metrics or ())
    shown = of_all if metrics is None else KINDS[read.grid.task].check_metrics(metrics)
    lacking = [name for name in shown if name not in scores]
    if lacking:
        msg = f"The grid has no scores of {lacking}, only of {of_all}."
        raise ValueError(msg)
    names = _baselines(read.grid, baselines)
    parts = list(benchmarks(scores))
    rankings = [rank(one, shown, names, n_bootstrap=n_bootstrap, rng=rng) for one in parts]
    if not any(len(one) and one["kind"].ne("reference").any() for one in rankings):
        msg = f"No task of a model of {str(of_grid.root)!r} is finished, so there is nothing to rank."
        raise ValueError(msg)
    has_bounds = {POSITIVE, NEGATIVE} <= set(scores["model"])
    target = of_grid.root / "report" if folder is None else Path(folder).expanduser().absolute()
    made = GridReport(
        path=target / PAGE,
        scores=scores,
        ranking=pd.concat(rankings, ignore_index=True),
        regimes=pd.concat([regimes(*pair) for pair in zip(parts, rankings, strict=True)], ignore_index=True),
        nulls=pd.concat(
            [compare_nulls(one, shown, n_bootstrap=n_bootstrap, rng=rng) for one in parts], ignore_index=True
        ),
        dynamic_range=dynamic_range(scores) if has_bounds else pd.DataFrame(),
        contexts=pd.concat([by_context(one, shown) for one in parts], ignore_index=True),
        costs=costs(of_grid, found),
        failures=failures(found),
        leaks=leaks(found),
        further=further_columns(scores, of_all),
    )
    target.mkdir(parents=True, exist_ok=True)
    for name, table in made.tables.items():
        with replaced(target / f"{name}.parquet") as scratch:
            table.to_parquet(scratch, index=False)
    with replaced(made.path) as scratch:
        write_page(made, read, found, scratch, title=title or of_grid.root.name)
    return made


def _baselines(grid: Grid, given: Sequence[str] | str | None) -> list[str]:
    """Names of the models that are baselines."""
    models = {name: model for name, model in grid.variants().items() if not isinstance(model, GridNull)}
    if given is None:
        classes = {name: look_up(str(model.model), _grid_model.ROOM) for name, model in models.items()}
        return [name for name, cls in classes.items() if cls.__module__.startswith(_BASELINES)]
    names = as_list(given)
    unknown = [name for name in names if name not in models]
    if unknown:
        msg = f"{unknown} are not models of the grid, which has {list(models)}."
        raise ValueError(msg)
    return names
