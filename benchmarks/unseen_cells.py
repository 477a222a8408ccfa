"""Cells of perturbations that were never measured: networks with features beside the Gaussian process and the mean.

Papalexi et al. (2021): knock-outs of 25 genes in THP-1 cells, 299 genes, described by the sets of Gene Ontology and of Reactome. Planted: 36
genes in six pathways, which the features know, with log fold changes of which three quarters of the variance are shared in a
pathway; negative binomial counts of 500 genes, 60 cells per gene. Perturbations are left out in five parts, and scored against
the mean of the training perturbations. An interrupted run resumes::

    SCPI_TEST_DATA=... python benchmarks/unseen_cells.py --out benchmarks/results/unseen_cells
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
from _prediction import records
from _quiet import one_quiet_thread
from _results import Tasks, store
from anndata import AnnData

import scpi
from scpi.benchmark import ModelSpec, evaluate, splits, summarise

QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}
MODELS = {
    "mean": lambda seed: ModelSpec(model=scpi.model.MeanDelta),
    "PerturbationGP": lambda seed: ModelSpec(model=scpi.model.PerturbationGP),
    "shuffled": lambda seed: ModelSpec(model=scpi.model.PerturbationGP, init={"shuffled": seed}),
    "SENAVAE": lambda seed: ModelSpec(model=scpi.model.SENAVAE, init={"encoder": "mlp", "seed": seed}, train=QUIET),
    "MultiTaskAE": lambda seed: ModelSpec(model=scpi.model.MultiTaskAE, init={"seed": seed}, train=QUIET),
}
METRICS = ["pearson_perturbed", "error_ratio", "energy_distance"]


def papalexi(seed: int) -> AnnData:
    folder = Path(os.environ["SCPI_TEST_DATA"])
    adata = logged(sc.read_h5ad(folder / "papalexi2021_eccite_299genes.h5ad"))
    labels = adata.obs["perturbation"].astype(str)
    controls = labels.str.lower().isin(["nt", "non-targeting", "control"])
    adata.obs["perturbation"] = labels.where(~controls, "control").to_numpy()
    sets = {"GO": folder / "go_bp_2021_enrichr.gmt", "Reactome": folder / "reactome_human.gmt"}
    scpi.tl.perturbation_features(adata, gene_sets=sets)
    return adata


def planted(seed: int) -> AnnData:
    rng = np.random.default_rng(seed)
    names = [f"P{pathway}G{gene}" for pathway in range(6) for gene in range(6)]
    shared, own = (rng.normal(0.0, 1.0, (n, 500)) * (rng.random((n, 500)) < 0.3) for n in (6, 36))
    change = 0.7 * (np.sqrt(0.75) * np.repeat(shared, 6, axis=0) + np.sqrt(0.25) * own)
    rate = rng.gamma(2.0, 1.0, 500) * np.exp(np.vstack([np.zeros(500), change]))
    condition = np.repeat(np.arange(37), [400] + [60] * 36)
    counts = rng.poisson(rng.gamma(4.0, 0.25, (len(condition), 500)) * rate[condition]).astype(np.float32)
    obs = pd.DataFrame({"perturbation": np.array(["control", *names])[condition]}).rename(index="cell{}".format)
    adata = logged(AnnData(counts, obs=obs))
    scpi.tl.perturbation_features(
        adata, gene_sets={f"pathway{i}": names[6 * i : 6 * i + 6] for i in range(6)}, symbols=False
    )
    return adata


def logged(adata: AnnData) -> AnnData:
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


DATA = {"planted": planted, "papalexi": papalexi}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    for seed in args.seeds:
        for name in args.data:
            adata = DATA[name](seed)
            for part in splits.leave_perturbations_out(adata, rng=seed):
                for model, spec in MODELS.items():
                    task = f"{name}, {seed}, {part.name}, {model}"
                    if task not in tasks:
                        table = evaluate(
                            adata, {model: spec(seed)}, [part], metrics=METRICS, seeds=seed, progress=False
                        )
                        tasks.add(task, records(table.assign(data=name, part=part.name)))
    rows = pd.DataFrame([row for found in tasks.values() for row in found])
    # The ceiling of a part is scored beside each of its models
    rows = rows[rows["data"].isin(args.data)].drop_duplicates(["data", "model", "seed", "perturbation"])
    found = {"seeds": sorted(rows["seed"].unique().tolist())}
    averaged = ["seed", "part", "split"]
    for name, own in rows.groupby("data", sort=False):
        found[name] = records(summarise(own, baseline="PerturbationGP", metrics=METRICS, average_over=averaged))
        print(name, pd.DataFrame(found[name]).to_string(), sep="\n")
    store(args.out, found)


if __name__ == "__main__":
    main()
