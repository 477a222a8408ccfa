"""Grids that come with scpi, or lie in ``benchmarks/grids``: run, and summarised into one result each.

An interrupted run goes on where it was. Paths in the files of ``benchmarks/grids`` begin with ``$SCPI_TEST_DATA``::

    SCPI_TEST_DATA=... python benchmarks/grids.py sena --out benchmarks/results/sena.json

The result has a row for each data set, way to divide it, metric and model: the mean over conditions of the means of the seeds, with a
bootstrap interval over conditions, and the paired difference from the best baseline. Data sets that differ in a number at the
end of their name, such as "additive 0" and "additive 1", are one, with the conditions of all; with ``--pool`` all of them are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from _results import store

from scpi.benchmark import grid
from scpi.benchmark.grid._reporting._ranking import benchmarks, rank

FOLDER = Path(__file__).parent / "grids"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", help="name of a packaged grid, or of a file in benchmarks/grids without its suffix")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="folder of the tasks; a folder in .cache/grids by default")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pool", action="store_true")
    parser.add_argument("--collect", action="store_true", help="summarise what is finished, and run nothing")
    args = parser.parse_args()
    path, folder = FOLDER / f"{args.grid}.yaml", args.folder or Path(".cache/grids") / args.grid
    made = grid.Grid.read(path) if path.is_file() else grid.ready_grid(args.grid)
    status = grid.status(folder) if args.collect else grid.run(made, folder, executor=grid.LocalExecutor(args.workers))
    report = grid.report(folder)
    scores = report.scores.assign(split=report.scores["data"] + ", " + report.scores["split"])
    scores["data"] = "all" if args.pool else scores["data"].str.replace(r"[ ,]+\d+$", "", regex=True)
    baselines = list(report.ranking.loc[report.ranking["kind"] == "baseline", "model"].unique())
    ranking = pd.concat(
        [rank(one, list(made.metrics), baselines, n_bootstrap=2000, rng=0) for one in benchmarks(scores)]
    )
    divisions = report.scores.groupby(["data", "scheme", "split", "model"], sort=False)[list(made.metrics)].mean()
    divisions = divisions.round(4).reset_index()
    keys = ["metric", "model", "kind", "rank", "mean", "mean_low", "mean_high", "baseline", "difference", "low", "high"]
    keys = ["data", "scheme", *keys, "standing", "n_conditions", "n_seeds"]
    result = {
        "tasks": len(status.tasks),
        "finished": status.counts["finished"],
        "table": grid.table_hash(report.scores),
        "rows": ranking[keys].round(4).astype(object).where(ranking[keys].notna(), None).to_dict("records"),
        "divisions": divisions.astype(object).where(divisions.notna(), None).to_dict("records"),
        "costs": report.costs[["data", "model", "seconds", "memory_mb", "n_parameters"]].round(1).to_dict("records"),
    }
    store(args.out, result)


if __name__ == "__main__":
    main()
