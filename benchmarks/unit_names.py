"""Names of the units of GeneProgramAE on real cells, and a verdict on each by eye.

GeneProgramAE with its defaults, `tl.saliency`, `tl.gene_set_impact` and `tl.annotate_units` with theirs, on five sets of real
cells and their genes that at least 3 % of the cells have. Counted are the units, those whose best gene set is significant (adjusted p below 0.05), those of them that bear
its name, and the names by a set that the unit lowers. The best set is the first of those that the unit raises, or of those
that it lowers if none of the former is significant. Beside it stand the units for which the impact of a set that they
raise is significant by itself, whether or not the set has their leading genes. For the first seed, the table has what a
reader has to judge a name by: its adjusted p-value, its lead over the next set, the genes of the largest saliency in the
direction of the set, the label of cells that the unit follows, and the rank correlation of the unit with the depth of the
cells.

The verdicts stand in ``unit_names_verdicts.json``, written by hand: right, doubtful or wrong, with a reason. Each is of a
unit with this set and these genes; a verdict on anything else is stale, and is counted as such instead of being used.
One result per task; an interrupted run resumes where it stopped::

    SCPI_TEST_DATA=... python benchmarks/unit_names.py --out benchmarks/results/unit_names
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy.stats import spearmanr

import scpi

# File, gene sets and columns of labels of each set of cells
DATASETS = {
    "kang_muscat": ("kang_muscat", "hallmark_human_v7.0", ("cell_type", "condition", "donor")),
    "kang_harmony": ("kang_harmony", "hallmark_human_v7.0", ("cell_type_pred", "condition")),
    "papalexi": ("papalexi2021_eccite_299genes", "hallmark_human_v7.0", ("perturbation", "bio_rep")),
    "paul15": ("paul15", "hallmark_mouse", ("paul15_clusters", "cell_type")),
    "pbmc3k": ("pbmc3k_labelled", "hallmark_human_v7.0", ("cell_type",)),
}
# Genes in fewer cells take most of the time and hardly enter a unit
FEWEST_CELLS = 0.03
SEEDS = range(5)
READ_BY_EYE = 0
VERDICTS = Path(__file__).with_name("unit_names_verdicts.json")
WORDS = ("right", "doubtful", "wrong")
CUTOFF, N_GENES = 0.05, 10


def read(name: str) -> ad.AnnData:
    file, sets, _ = DATASETS[name]
    data = Path(os.environ["SCPI_TEST_DATA"])
    adata = ad.read_h5ad(data / f"{file}.h5ad")
    sc.pp.filter_genes(adata, min_cells=int(FEWEST_CELLS * adata.n_obs))
    scpi.tl.gene_sets(adata, data / f"{sets}.gmt")
    return adata


def run(name: str, seed: int) -> dict:
    adata = read(name)
    start = time.process_time()
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, seed=seed)
    model.train(accelerator="cpu", enable_progress_bar=False)
    adata.obsm["X_scpi"] = model.get_latent_representation()
    scpi.tl.saliency(adata, model)
    scpi.tl.gene_set_impact(adata)
    scpi.tl.annotate_units(adata, obs_keys=DATASETS[name][2])
    seconds = round(time.process_time() - start, 1)
    return {"dataset": name, "seed": seed, "seconds": seconds, "units": units(adata)}


def units(adata: ad.AnnData) -> list[dict]:
    """What a reader needs to judge the name of each unit."""
    impact, named = adata.uns["gene_set_impact"], scpi.get.unit_annotation(adata)
    z, pval = np.asarray(impact["zscore"]), np.asarray(impact["pval"])
    of_impact = scpi.de.false_discovery_control(np.where(z > 0, pval, 1.0), axis=None)
    depth = np.asarray(adata.X.sum(axis=1)).ravel()
    saliency = adata.varm["saliency"]
    rows = []
    for i, unit in enumerate(named["unit"]):
        side = "raised" if named["raised_pval_adj"][i] < CUTOFF else "lowered"
        scores = saliency[unit].to_numpy() * (-1.0 if named["zscore"][i] < 0 else 1.0)
        rows.append(
            {
                "unit": unit,
                "set": named["set"][i],
                "apart": str(adata.uns["unit_annotation"]["apart"][i]),
                "best_set": named[side][i],
                "best_q": float(named[f"{side}_pval_adj"][i]),
                "impact_q": float(of_impact[i].min()),
                "q": float(named["pval_adj"][i]),
                "z": round(float(named["zscore"][i]), 2),
                "lead": round(float(named["margin"][i]), 2),
                "genes": [str(adata.var_names[j]) for j in np.argsort(-scores, kind="stable")[:N_GENES]],
                "members": named["genes"][i].split(";")[:N_GENES],
                "follows": named["follows"][i],
                "auroc": round(float(named["auroc"][i]), 3),
                "depth": round(float(np.nan_to_num(spearmanr(adata.obsm["X_scpi"][:, i], depth).statistic)), 2),
            }
        )
    return rows


def counts(dataset: str, tasks: list[dict]) -> dict:
    """Over the seeds: units, those with a significant best set, those of them that are named by it, and other counts."""
    rows = [[unit for unit in task["units"] if unit["best_q"] < CUTOFF] for task in tasks]
    named = [unit["set"] == unit["best_set"] for found in rows for unit in found]
    leads = [unit["lead"] for found in rows for unit in found]
    return {
        "dataset": dataset,
        "seeds": len(tasks),
        "units": float(np.mean([len(task["units"]) for task in tasks])),
        "significant": float(np.mean([len(found) for found in rows])),
        "named_by_best": float(np.mean(named)) if named else None,
        "lowered": float(np.mean([sum(unit["z"] < 0 for unit in task["units"] if unit["set"]) for task in tasks])),
        "impact": float(np.mean([sum(unit["impact_q"] < CUTOFF for unit in task["units"]) for task in tasks])),
        "median_lead": float(np.median(leads)) if leads else None,
        "seconds": float(np.mean([task["seconds"] for task in tasks])),
    }


def judged(dataset: str, found: list[dict]) -> list[dict]:
    """Named units of the seed that was read, with the verdict on this name of these genes."""
    verdicts = json.loads(VERDICTS.read_text(encoding="utf-8")) if VERDICTS.is_file() else {}
    rows = []
    for unit in (unit for unit in found if unit["set"]):
        verdict = verdicts.get(key(dataset, unit), {})
        rows.append(
            {"dataset": dataset, **unit, "verdict": verdict.get("verdict"), "reason": verdict.get("reason", "")}
        )
    return rows


def sums(rows: list[dict]) -> list[dict]:
    """Verdicts by data set, and over all by the sign of the name."""
    parts = {name: [row for row in rows if row["dataset"] == name] for name in DATASETS}
    parts["all"] = rows
    parts["raises the set"] = [row for row in rows if row["z"] > 0]
    parts["lowers the set"] = [row for row in rows if row["z"] < 0]
    return [
        {"names": part, "read": len(found)}
        | {word: sum(row["verdict"] == word for row in found) for word in WORDS}
        | {"without a verdict": sum(row["verdict"] is None for row in found)}
        for part, found in parts.items()
    ]


def key(dataset: str, unit: dict) -> str:
    """What a verdict is on: the set, whether the unit raises it, and the genes that were read; not the number of the unit."""
    return f"{dataset} | {'-' if unit['z'] < 0 else '+'}{unit['set']} | {' '.join(sorted(unit['genes']))}"


def collect(out: Path) -> None:
    tasks = list(Tasks(out).values())
    by_name = {name: [task for task in tasks if task["dataset"] == name] for name in DATASETS}
    rows = [
        row
        for name, of_data in by_name.items()
        for task in of_data
        if task["seed"] == READ_BY_EYE
        for row in judged(name, task["units"])
    ]
    known = {key(row["dataset"], row) for row in rows}
    verdicts = json.loads(VERDICTS.read_text(encoding="utf-8")) if VERDICTS.is_file() else {}
    result = {
        "counts": [counts(name, of_data) for name, of_data in by_name.items() if of_data],
        "verdicts": sums(rows),
        "stale_verdicts": sorted(set(verdicts) - known),
        "read": rows,
    }
    store(out, result)
    for row in result["counts"]:
        print(row)
    for row in result["verdicts"]:
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    args = parser.parse_args()
    tasks = Tasks(args.out)
    one_quiet_thread()
    for seed in args.seeds:
        for name in args.datasets:
            task = f"{name}_s{seed}"
            if task not in tasks:
                tasks.add(task, run(name, seed))
                print(task, f"{tasks[task]['seconds']} s", flush=True)
    collect(args.out)


if __name__ == "__main__":
    main()
