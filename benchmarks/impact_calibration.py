"""Calibration and power of the p-values of gene-set impact, and accuracy of the names of units.

Every task simulates cells with eight known programs (:func:`scpi.datasets.gene_programs`), trains GeneProgramAE with
sixteen units, and computes the effect of each unit on the genes or its saliency by three methods. Random sets of 10 to
200 genes, drawn among all genes, show whether p-values are uniform: the fraction below 0.05, the Kolmogorov-Smirnov
test in each unit, and the number of significant sets at an FDR of 5 %, although programs are present. The sets of the
programs, complete or with half of their genes replaced by others, are mixed with 200 random sets of the same sizes: how
many are significant on the unit that correlates best with the program, how many have the largest absolute z-score
there, and how many name it by this impact alone (`tl.annotate_units`). The unit of a program is matched by activities (Spearman), one to
one, without using genes. One result per task; an interrupted run resumes where it stopped::

    python benchmarks/impact_calibration.py --out benchmarks/results/impact_calibration
    python benchmarks/impact_calibration.py --out benchmarks/results/impact_calibration --collect
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats

import scpi

SEEDS, OVERLAPS, CORRELATION = (100, 101, 102, 103, 104), (0.0, 0.25, 0.5), 0.5
N_CELLS, N_GENES, N_PROGRAMS, N_UNITS, N_RANDOM = 2000, 1000, 8, 16, 500
N_DECOYS = 200
METHODS = ("decoder_effect", "gradient", "integrated_gradients", "guided")
STATISTICS = ("mean", "rank", "ulm")
WRONG = {"whole": 0.0, "half wrong": 0.5}
LEVEL = 0.05


def random_sets(n_sets: int, sizes, n_genes: int, rng) -> dict[str, np.ndarray]:
    return {f"random {i}": rng.choice(n_genes, sizes[i % len(sizes)], replace=False) for i in range(n_sets)}


def add_sets(adata, sets: dict[str, np.ndarray]) -> None:
    membership = np.zeros((adata.n_vars, len(sets)), dtype=bool)
    for column, genes in enumerate(sets.values()):
        membership[genes, column] = True
    adata.varm["gene_sets"] = pd.DataFrame(membership, index=adata.var_names, columns=list(sets))


def null(adata, statistic: str, sets) -> dict[str, float]:
    add_sets(adata, sets)
    scpi.tl.gene_set_impact(adata, statistic=statistic)
    found = adata.uns["gene_set_impact"]
    live = (np.asarray(found["pval"]) < 1.0).any(axis=1)
    pval = np.asarray(found["pval"])[live]
    return {
        "share": float((pval < LEVEL).mean()),
        "ks_rejected": float(np.mean([stats.kstest(of_unit, "uniform").pvalue < LEVEL for of_unit in pval])),
        "discoveries": float((np.asarray(found["pval_adj"]) <= LEVEL).sum()),
    }


def named(adata, statistic: str, sets, programs: list[str], unit_of: np.ndarray) -> dict[str, float]:
    add_sets(adata, sets)
    scpi.tl.gene_set_impact(adata, statistic=statistic)
    found = adata.uns["gene_set_impact"]
    names = [str(name) for name in found["sets"]]
    columns = [names.index(program) for program in programs]
    size = np.abs(np.asarray(found["zscore"]))
    # By the impact alone, whose calibration this is
    scpi.tl.annotate_units(adata, how="one_to_one", non_negative=False, n_leading=None)
    given = adata.uns["unit_annotation"]["sets"]
    return {
        "power": float((np.asarray(found["pval_adj"])[unit_of, columns] <= LEVEL).mean()),
        "first": float((size[unit_of].argmax(axis=1) == columns).mean()),
        "named": float(np.mean([given[unit] == program for unit, program in zip(unit_of, programs, strict=True)])),
    }


def run(seed: int, overlap: float) -> dict[str, object]:
    adata = scpi.datasets.gene_programs(
        N_CELLS, N_GENES, N_PROGRAMS, overlap=overlap, correlation=CORRELATION, rng=seed
    )
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, n_units=N_UNITS, seed=seed)
    model.train(accelerator="cpu", enable_progress_bar=False)
    activity = adata.obsm["programs"].to_numpy()
    unit_of = scpi.metrics.match_units(scpi.metrics.association(model.get_latent_representation(), activity))
    programs = [str(name) for name in adata.varm["programs"].columns]
    members = [np.flatnonzero(weights) for weights in adata.varm["programs"].to_numpy().T]
    rng = np.random.default_rng([seed, 7])
    sets = random_sets(N_RANDOM, rng.integers(10, 201, N_RANDOM), N_GENES, rng)
    decoys = random_sets(N_DECOYS, [len(genes) for genes in members], N_GENES, rng)
    truths = {}
    for kind, wrong in WRONG.items():
        truths[kind] = {
            program: replaced(genes, wrong, rng) for program, genes in zip(programs, members, strict=True)
        } | decoys
    rows = []
    for method in METHODS:
        scpi.tl.saliency(adata, model, method=method)
        for statistic in STATISTICS:
            row = {"method": method, "statistic": statistic, "null": null(adata, statistic, sets)}
            rows.append(
                row | {kind: named(adata, statistic, truth, programs, unit_of) for kind, truth in truths.items()}
            )
    return {"seed": seed, "overlap": overlap, "rows": rows}


def replaced(genes: np.ndarray, share: float, rng) -> np.ndarray:
    """The genes with a random fraction of them replaced by others."""
    n_wrong = int(share * len(genes))
    kept = rng.choice(genes, len(genes) - n_wrong, replace=False)
    return np.concatenate([kept, rng.choice(np.setdiff1d(np.arange(N_GENES), genes), n_wrong, replace=False)])


def collect(out: Path) -> None:
    tasks = list(Tasks(out).values())
    table = pd.json_normalize(
        [{"overlap": task["overlap"], "seed": task["seed"]} | row for task in tasks for row in task["rows"]]
    )
    measures = [name for name in table if "." in name]
    means = {
        name: table.groupby([*keys, "method", "statistic"], sort=False)[measures].mean().round(4).reset_index()
        for name, keys in (("means", []), ("by_overlap", ["overlap"]))
    }
    result = {"seeds": sorted(int(seed) for seed in table["seed"].unique()), "n_tasks": len(tasks)}
    result |= {name: frame.to_dict("records") for name, frame in means.items()}
    store(out, result)
    print(means["means"].to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--collect", action="store_true")
    args = parser.parse_args()
    if args.collect:
        collect(args.out)
        return
    tasks = Tasks(args.out)
    one_quiet_thread()
    for seed, overlap in itertools.product(args.seeds, OVERLAPS):
        task = f"o{overlap}_s{seed}"
        if task not in tasks:
            start = time.perf_counter()
            tasks.add(task, run(seed, overlap))
            print(f"{task}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
