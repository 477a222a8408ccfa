"""P-values between two clusters that a network found in one population, on the other part of thinned counts.

Cells of one population vary in depth (log standard deviation 0.8), or were measured in two batches of which each has a factor for every gene (log standard
deviation 0.3). The network is trained on the train part, and the default test is used on the test part, within classes of depth; in batches, the network
is given the batch (or not), and the test has it as a covariate (or not). Fractions of genes with p < 0.05::

    python benchmarks/clusters_of_network.py --out benchmarks/results/clusters_of_network
"""

from __future__ import annotations

import argparse
import warnings
from itertools import product
from pathlib import Path

import anndata as ad
import numpy as np
import torch
from _results import Tasks, store
from clusters_real import interval
from double_dipping import LEVEL, MIN_TOTAL, simulate

import scpi

NETWORKS, SEEDS = ("sczidesk", "contrastive_sc", "scdeepcluster"), range(40, 50)
WORLDS = {
    "depth": {"overdispersion": 0.0, "depth_sd": 0.8},
    "depth, overdispersed": {"overdispersion": 0.3, "depth_sd": 0.8},
    "batches": {"overdispersion": 0.0, "depth_sd": 0.3},
}
GIVEN = {
    "neither": ({}, None),
    "network": ({"batch_key": "batch"}, None),
    "network and test": ({"batch_key": "batch"}, "batch"),
}


def measure(world: str, network: str, given: str, seed: int) -> dict:
    rng = np.random.default_rng([seed, 0])
    counts, _, _ = simulate(rng, **WORLDS[world])
    batch = rng.permutation(counts.shape[0]) % 2
    if world == "batches":
        # The factors of one batch against the other thin counts to a fraction
        factor = np.exp(-np.abs(0.3 * rng.normal(size=(2, counts.shape[1]))))
        counts = rng.binomial(counts.toarray(), factor[batch])
    adata = ad.AnnData(np.asarray(counts.toarray() if hasattr(counts, "toarray") else counts, dtype=np.float32))
    adata = adata[:, adata.X.sum(0) >= 2 * MIN_TOTAL].copy()
    adata.obs["batch"] = batch.astype(str)
    scpi.de.thin_counts(adata, rng=np.random.default_rng([seed, 2]))
    options, covariate = GIVEN[given]
    scpi.tl.cluster(
        adata, network, n_clusters=2, layer="thinned_train", rng=seed, train_kwargs={"accelerator": "cpu"}, **options
    )
    scpi.de.rank_genes(
        adata, "cluster", groups=["1"], layer="thinned_test", covariates=[covariate] if covariate else ()
    )
    same = np.corrcoef(adata.obs["batch"].astype(int), adata.obs["cluster"].astype(int))[0, 1]
    return {"rejected": float((scpi.get.de_df(adata)["pval"] < LEVEL).mean()), "with the batch": float(abs(same))}


def collect(tasks: Tasks) -> list[dict]:
    found = []
    for world, network, given in product(WORLDS, NETWORKS, GIVEN):
        of = [tasks[name] for name in tasks if name.startswith(f"{world}/{network}/{given}/")]
        if of:
            found.append(
                {
                    "cells": world,
                    "network": network,
                    "batch given to": given if world == "batches" else "–",
                    "n": len(of),
                }
                | {key: interval([one[key] for one in of]) for key in of[0]}
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    scpi.settings.verbosity = "warning"
    torch.set_num_threads(1)
    tasks = Tasks(args.out)
    for network, seed, world, given in product(NETWORKS, SEEDS, WORLDS, GIVEN):
        if (world == "batches" or given == "neither") and (name := f"{world}/{network}/{given}/{seed}") not in tasks:
            tasks.add(name, measure(world, network, given, seed))
    store(args.out, collect(tasks))


if __name__ == "__main__":
    main()
