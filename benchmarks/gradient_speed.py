"""Time of rankings by gradients and of scanpy's t-test, and of training the clustering networks.

20 groups of 20,000 cells and 2,000 genes, sparse counts; all calls on the same cells in turn, medians of five. The
training time is that of 3,000 simulated cells with 2,500 genes, with as many clusters as there are groups::

    OMP_NUM_THREADS=1 python benchmarks/gradient_speed.py --out benchmarks/results/gradient_speed.json
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
import warnings
from pathlib import Path

import numpy as np
import scanpy as sc
import torch
from _results import store

import scpi

N_CELLS, N_GENES, N_GROUPS, N_REPEATS = 20_000, 2_000, 20, 5
NETWORKS = ("ContrastiveSC", "SCDeepCluster", "SCZIDesk")
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}


def ranking() -> list[dict[str, object]]:
    # About one count per gene and cell, most of them zero
    adata = scpi.datasets.splat(
        N_CELLS, n_genes=N_GENES, group_prob=(1 / N_GROUPS,) * N_GROUPS, de_prob=0.1, lib_loc=7.0, rng=0
    )
    scpi.model.SCDeepCluster.setup_anndata(adata)
    model = scpi.model.SCDeepCluster(adata, n_clusters=N_GROUPS)
    model.train(max_epochs=1, max_cluster_epochs=0, **QUIET)
    logged = sc.pp.log1p(sc.pp.normalize_total(adata, copy=True), copy=True)
    calls = {
        "scanpy, t-test": lambda: sc.tl.rank_genes_groups(logged, "group", method="t-test"),
        "sparse decoder, order": lambda: scpi.tl.rank_genes_gradients(adata, "group", test=None),
        "sparse decoder, t-test": lambda: scpi.tl.rank_genes_gradients(adata, "group", test="t-test"),
        "sparse decoder, rank-sum test": lambda: scpi.tl.rank_genes_gradients(adata, "group"),
        "gradient of a network, order": lambda: scpi.tl.rank_genes_gradients(
            adata, "group", model=model, method="gradient", reference="rest", test=None
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(N_REPEATS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if repeat:  # the first compiles
                seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    peer = medians["scanpy, t-test"]
    return [
        {"call": name, "seconds": round(value, 3), "over_scanpy": round(value / peer, 2)}
        for name, value in medians.items()
    ]


def training() -> list[dict[str, object]]:
    rows = []
    for name in NETWORKS:
        adata = scpi.datasets.splat_benchmark("imbalanced_k3_de0.1_mid0", rng=1001)
        model_cls = getattr(scpi.model, name)
        model_cls.setup_anndata(adata)
        model = model_cls(adata, n_clusters=3)
        start = time.perf_counter()
        model.train(**QUIET)
        seconds = time.perf_counter() - start
        ari = scpi.metrics.ari(model.predict(), adata.obs["group"].to_numpy())
        rows.append({"network": name, "seconds": round(seconds, 1), "ari": round(ari, 3)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    threads = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    torch.set_num_threads(threads)
    result = {"n_cells": N_CELLS, "n_genes": N_GENES, "n_groups": N_GROUPS, "threads": threads, "ranking": ranking()}
    torch.set_num_threads(2)
    result |= {"training_threads": 2, "training": training()}
    store(args.out, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
