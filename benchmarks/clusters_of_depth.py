"""Tests between two clusters of cells that vary in depth, with and without count thinning.

Fractions of genes with p < 0.05: of one population, of those that differ between two planted types or along a continuum, and
of those that do not; and how often `rank_genes` names the groups. Types of PBMC 3k are cut in two, beside permutations of
cells of about the same depth. The test and its warnings were chosen on seeds 1000 and above::

    python benchmarks/clusters_of_depth.py --out benchmarks/results/clusters_of_depth --real pbmc3k_labelled.h5ad
"""

import argparse
import warnings
from itertools import product
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _results import Tasks, store
from double_dipping import LEVEL, MIN_TOTAL, interval, simulate, two_clusters

import scpi
from scpi.de import TestResult
from scpi.de._thinned_groups import depth_classes

WORLDS = {
    "one population": (40, {}),
    "two types": (10, {"change": 2.0}),
    "continuum": (10, {"change": 1.0, "continuum": True}),
    "slight change, true groups": (10, {"change": 0.3}),
}
TYPES, N_SEEDS, N_PERMUTATIONS, CELLS_OF_A_DEPTH = ("CD14+ Mono", "Naive CD4 T", "B", "Memory CD4 T"), 3, 100, 20
TESTS = {"wilcoxon, not thinned": ("X", "wilcoxon"), "wilcoxon": ("thinned_test", "wilcoxon"), "t-test": ("thinned_test", "t-test"), "default": ("thinned_test", None)}  # fmt: skip


def measure(counts, differs: np.ndarray, seed: int, *, known: bool = False, permuted: bool = False) -> dict:
    told = np.asarray(counts.sum(axis=0)).ravel() >= 2 * MIN_TOTAL
    adata = ad.AnnData(
        counts[:, told].astype(np.float32), obs={"batch": np.arange(counts.shape[0]) * 2 // counts.shape[0]}
    )
    scpi.de.thin_counts(adata, rng=np.random.default_rng([seed, 2]))
    halves = {
        layer: adata.obs["batch"].to_numpy()
        if known
        else two_clusters(adata.X if layer == "X" else adata.layers["thinned_train"], seed)
        for layer in ("X", "thinned_test")
    }
    found: dict = {}
    for name, (layer, method) in TESTS.items():
        adata.obs["half"] = halves[layer].astype(str)
        scpi.de.rank_genes(adata, "half", groups=["1"], method=method, layer=None if layer == "X" else layer)
        pval = scpi.get.de_df(adata).set_index("gene")["pval"][adata.var_names].to_numpy()
        found[name] = [float((pval[here] < LEVEL).mean()) for here in (~differs[told], differs[told]) if here.any()]
    result = adata.uns["rank_genes_groups"]
    found |= {
        "groups named": not result["thinning"]["homogeneous"].all(),
        "batch named": "associated" in result["params"],
    }
    if permuted:
        rng = np.random.default_rng(seed)
        order = np.argsort(np.asarray(adata.layers["thinned_train"].sum(axis=1)).ravel())
        codes = halves["thinned_test"]
        classes = pd.DataFrame({"depth": depth_classes(adata, "thinned_train")})

        def tested(codes: np.ndarray) -> TestResult:
            return scpi.de.poisson(adata.layers["thinned_test"], codes, reference=0, covariates=classes)

        score = np.abs(tested(codes).score[1])
        drawn = [tested(shuffled(codes, order, rng)) for _ in range(N_PERMUTATIONS)]
        above = np.mean([np.abs(one.score[1]) >= score for one in drawn], axis=0)
        found |= {
            "permutation": [float((above < LEVEL).mean())],
            "default, permuted": [float(np.mean([one.pval[1] < LEVEL for one in drawn]))],
        }
    return found


def shuffled(codes: np.ndarray, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    result = codes.copy()
    for start in range(0, len(order), CELLS_OF_A_DEPTH):
        result[order[start : start + CELLS_OF_A_DEPTH]] = rng.permutation(
            codes[order[start : start + CELLS_OF_A_DEPTH]]
        )
    return result


def collect(tasks: Tasks) -> list[dict]:
    rows: dict = {}
    for name, result in tasks.items():
        rows.setdefault(name.rsplit(", ", 1)[0], []).append(result)
    return [{"cells": cells, "n": len(of), **{key: [interval([one[key][i] for one in of]) for i in range(len(value))] if isinstance(value, list) else float(np.mean([one[key] for one in of])) for key, value in of[0].items()}} for cells, of in rows.items()]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    scpi.settings.verbosity = "warning"
    tasks = Tasks(args.out)
    for (world, (n, change)), (sd, phi) in product(WORLDS.items(), product((0.0, 0.2, 0.4, 0.8), (0.0, 0.3))):
        for seed in range(40, 40 + n):
            if (name := f"{world}, depth sd {sd}, overdispersion {phi}, {seed}") not in tasks:
                counts, _, differs = simulate(
                    np.random.default_rng([seed, 0]), overdispersion=phi, depth_sd=sd, **change
                )
                tasks.add(name, measure(counts, differs, seed, known=world.endswith("true groups")))
    for cell_type, seed in product(TYPES if args.real else (), range(40, 40 + N_SEEDS)):
        if (name := f"{cell_type}, {seed}") not in tasks:
            cells = ad.read_h5ad(args.real)
            counts = cells[cells.obs["cell_type"] == cell_type].X.tocsr()
            tasks.add(name, measure(counts, np.zeros(counts.shape[1], bool), seed, permuted=True))
    store(args.out, collect(tasks))


if __name__ == "__main__":
    main()
