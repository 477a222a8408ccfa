"""The Kang grid that comes with scpi, with one worker and with two: seconds, and whether the table is the same.

The cells are those of two donors (kang_muscat) instead of all, with the baselines and a MultiTaskAE of fewer epochs. Each number of workers runs ``--repeats`` times in turn,
and the least time counts, as another process may be at work::

    SCPI_TEST_DATA=... python grid_workers.py --out results/grid_workers.json
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from _results import store

from scpi.benchmark import grid

SLOW = ("SCGEN", "SCPREGAN", "SCButterfly")


def make(epochs: int, seeds: list[int]) -> grid.Grid:
    """The grid with the cells of a file."""
    ready = grid.ready_grid("kang")
    file = Path(os.environ["SCPI_TEST_DATA"]) / "kang_muscat.h5ad"
    data = grid.GridData(
        file=file, normalise=True, perturbation_key="condition", control="ctrl", context_key="cell_type"
    )
    models = {name: model for name, model in ready.models.items() if name not in SLOW}
    models["MultiTaskAE"] = replace(models["MultiTaskAE"], train={"max_epochs": epochs})
    return replace(ready, data={"kang": data}, models=models, seeds=seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, help="File for the result.")
    args = parser.parse_args()
    made = make(args.epochs, [*range(args.seeds)])
    seconds: dict[int, list[float]] = {1: [], 2: []}
    hashes: dict[int, str] = {}
    for _ in range(args.repeats):
        for workers, times in seconds.items():
            with tempfile.TemporaryDirectory() as out:
                began = time.perf_counter()
                found = grid.run(made, out, executor=grid.LocalExecutor(workers), progress=False)
                times.append(time.perf_counter() - began)
                assert found.is_finished
                hashes[workers] = grid.table_hash(grid.collect(out))
    least = {workers: min(times) for workers, times in seconds.items()}
    runs = [
        {
            "workers": workers,
            "seconds": round(least[workers], 1),
            "speed_up": round(least[1] / least[workers], 2),
            "same_table": hashes[workers] == hashes[1],
        }
        for workers in seconds
    ]
    result = {"tasks": len(found.tasks), "load": os.getloadavg()[0], "runs": runs}
    print(json.dumps(result, indent=1))
    if args.out:
        store(args.out, result)


if __name__ == "__main__":
    main()
