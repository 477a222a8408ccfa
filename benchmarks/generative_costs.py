"""Time and memory of training the generative models.

Time is that of training with the defaults on simulated cells, 20,000 x 2,000 genes in eight groups, set-up included. Memory
is the peak above the data of one epoch on random sparse counts of 18,211 genes, 8 % of the entries above zero, at two
numbers of cells: what grows between them, for each cell, says how much 240,000 cells would need. Every training has a process
of its own and leaves a file, so that a second run goes on where the first stopped::

    python benchmarks/generative_costs.py --out benchmarks/results/generative_costs
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from _quiet import one_quiet_thread
from _results import Tasks, store
from memory import cells, measured

import scpi

if TYPE_CHECKING:
    import anndata as ad

MODELS = {"DGD": scpi.model.DGD, "NBVAE": scpi.model.NBVAE}
GROUPS = (0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05)
N_LARGE, N_GENES = 240_000, 18_211


def train(name: str, adata: ad.AnnData, **kwargs) -> object:
    MODELS[name].setup_anndata(adata)
    model = MODELS[name](adata)
    model.train(accelerator="cpu", enable_progress_bar=False, **kwargs)
    return model


def time_of(name: str, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    adata = scpi.datasets.splat(20_000, n_genes=2_000, group_prob=GROUPS, de_prob=0.2, lib_loc=7.8, rng=0)
    start = time.perf_counter()
    model = train(name, adata)
    row = {"seconds": round(time.perf_counter() - start, 1), "threads": threads}
    return row | {"epochs": max(len(values) for values in model.history.values())}


def memory_of(name: str, n_cells: int) -> dict[str, Any]:
    adata = cells(n_cells, logs=False, n_genes=N_GENES)
    size = (adata.X.data.nbytes + adata.X.indices.nbytes) / 2**20
    row = measured(lambda: train(name, adata, max_epochs=1))
    return row | {"data_mb": round(size, 1)}


def apart(out: Path, task: str, function, *args) -> None:
    if task not in Tasks(out):
        process = multiprocessing.get_context("spawn").Process(target=quietly, args=(out, task, function, *args))
        process.start()
        process.join()
    print(task, Tasks(out)[task], flush=True)


def quietly(out: Path, task: str, function, name: str, number: int) -> None:
    one_quiet_thread()
    Tasks(out).add(task, function(name, number))


def collect(tasks: Tasks, n_cells: list[int]) -> dict:
    found = {"n_genes": N_GENES, "n_large": N_LARGE, "models": {}}
    for name in MODELS:
        few, many = (tasks[f"memory-{name}-{n}"] for n in n_cells)
        growth = (many["above_mb"] - few["above_mb"]) / (n_cells[1] - n_cells[0])
        row = dict(tasks[f"time-{name}"])
        row["above_mb"] = {n: part["above_mb"] for n, part in zip(n_cells, (few, many), strict=True)}
        row["above_mb_large"] = round(many["above_mb"] + max(growth, 0.0) * (N_LARGE - n_cells[1]))
        found["models"][name] = row
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cells", type=int, nargs=2, default=[10_000, 40_000])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for name in MODELS:
        apart(args.out, f"time-{name}", time_of, name, args.threads)
        for n_cells in args.cells:
            apart(args.out, f"memory-{name}-{n_cells}", memory_of, name, n_cells)
    store(args.out, collect(Tasks(args.out), args.cells))


if __name__ == "__main__":
    main()
