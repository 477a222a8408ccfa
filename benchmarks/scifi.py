"""Unseen guide x stimulation combinations: CROP-seq of Jurkat cells with and without T cell receptor stimulation.

Datlinger et al. (2021), 20 target genes x 2 guides, 2,000 genes, about 59 counts per cell: a very sparse screen.
Stimulation counts as a perturbation of its own, "TCR", so that a knock-out in a stimulated cell is the combination
"GENE+TCR". A quarter of these combinations is held out in each of several splits::

    SCPI_TEST_DATA=... python benchmarks/scifi.py --out benchmarks/results/scifi.json

All settings are the defaults of the package; nothing was chosen on these data.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
import torch
from _results import store

import scpi


def load() -> sc.AnnData:
    """Log-normalised cells labelled by target gene and stimulation."""
    adata = sc.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / "scifi_cropseq_jurkat_datlinger2021.h5ad")
    gene = adata.obs["gene_perturbed"].astype(str).to_numpy()
    state = adata.obs["perturbation_2"].astype(str).str.lower().to_numpy()
    stimulated = ~np.char.startswith(state.astype(str), "un")
    is_control = np.char.lower(gene.astype(str)) == "control"
    label = np.where(
        is_control,
        np.where(stimulated, "TCR", "control"),
        np.where(stimulated, np.char.add(gene.astype(str), "+TCR"), gene),
    )
    adata.obs["perturbation"] = label.astype(str)
    sc.pp.filter_cells(adata, min_counts=1)
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    scpi.tl.gene_sets(adata, Path(os.environ["SCPI_TEST_DATA"]) / "hallmark_human_v7.0.gmt", min_size=5)
    return adata


def run(adata, *, seed: int) -> pd.DataFrame:
    labels = adata.obs["perturbation"].astype(str)
    combinations = sorted(label for label in labels.unique() if "+" in label)
    held_out = sorted(
        np.random.default_rng(seed).choice(combinations, size=len(combinations) // 4, replace=False).tolist()
    )
    models = {}
    for name, arguments in {
        "SENAVAE": {"seed": seed},
        "SENAVAE, MLP encoder": {"seed": seed, "encoder": "mlp"},
        "Additive": {},
        "Linear": {},
        "MeanDelta": {},
        "TrainMean": {},
        "NoChange": {},
    }.items():
        model_class = getattr(scpi.model, name.split(",")[0])
        model_class.setup_anndata(adata)
        models[name] = model_class(adata, **arguments)
        extra = {"enable_progress_bar": False, "accelerator": "cpu"} if "seed" in arguments else {}
        models[name].train(held_out=held_out, train_size=0.8, validation_size=0.1, seed=seed, **extra)
    return scpi.benchmark.compare_predictions(models, perturbation=held_out, rng=seed).assign(seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    adata = load()
    table = pd.concat([run(adata, seed=seed) for seed in range(args.seeds)])
    columns = list(table.select_dtypes("number").columns.drop("seed"))
    result = {
        "n_cells": adata.n_obs,
        "n_held_out": int(table["perturbation"].nunique()),
        "scores": json.loads(table.groupby("model")[columns].mean().to_json(orient="index")),
    }
    print(json.dumps(result, indent=1))
    if args.out:
        store(args.out, result)


if __name__ == "__main__":
    main()
