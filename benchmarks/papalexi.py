"""SENAVAE on a real screen: Papalexi et al. (2021), 25 knock-outs in three replicates, with Hallmark sets.

There are two questions. Which gene sets does each knock-out change, by the learned activities and by the unweighted
mean of the members? And how well are held-out cells predicted, compared with the baselines and the split-half
ceiling?::

    SCPI_TEST_DATA=... python benchmarks/papalexi.py --out benchmarks/results/papalexi.json

All settings are the defaults of the package; nothing was chosen on these data.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

import pandas as pd
import scanpy as sc
import torch
from _results import store

import scpi

INTERFERON = "HALLMARK_INTERFERON_GAMMA_RESPONSE"
STRONG, NULL = ("STAT1", "JAK2", "IFNGR1", "IFNGR2"), "CAV1"


def load() -> sc.AnnData:
    """Log-normalised cells with Hallmark sets of at least three measured genes."""
    folder = Path(os.environ["SCPI_TEST_DATA"])
    adata = sc.read_h5ad(folder / "papalexi2021_eccite_299genes.h5ad")
    labels = adata.obs["perturbation"].astype(str)
    adata.obs["perturbation"] = labels.where(
        ~labels.str.lower().isin(["nt", "non-targeting", "control"]), "control"
    ).to_numpy()
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    scpi.tl.gene_sets(adata, folder / "hallmark_human_v7.0.gmt", min_size=3)
    return adata


def train(adata, *, seed: int, encoder: str, train_size: float = 0.8):
    model_class = scpi.model.SENAVAE
    model_class.setup_anndata(adata)
    model = model_class(adata, encoder=encoder, seed=seed)
    model.train(train_size=train_size, validation_size=0.1, enable_progress_bar=False, accelerator="cpu")
    return model


def interferon_ranks(adata, *, where: str) -> list[dict]:
    """Rank, effect and t of the interferon-gamma response of every strong knock-out."""
    table = scpi.get.differential_activity(adata)
    rows = []
    for group in STRONG:
        part = table[table["group"] == group]
        row = part[part["set"] == INTERFERON].iloc[0]
        rows.append(
            {
                "cells": where,
                "group": group,
                "rank": int(row["rank"]),
                "t": float(row["score"]),
                "pval_adj": float(row["pval_adj"]),
            }
        )
    null = table[table["group"] == NULL]
    rows.append(
        {"cells": where, "group": NULL, "significant_sets": int((null["pval_adj"] < 0.05).sum()), "n_sets": len(null)}
    )
    return rows


def differential(adata, model) -> list[dict]:
    """Ranks over all cells and within each replicate."""
    scpi.tl.pathway_activity(adata, model)
    rows = []
    for where, part in [
        ("all", adata),
        *((str(rep), adata[adata.obs["bio_rep"] == rep].copy()) for rep in adata.obs["bio_rep"].unique()),
    ]:
        scpi.tl.differential_activity(part)
        rows += interferon_ranks(part, where=where)
    return rows


def predictions(adata, *, seed: int, models: dict) -> pd.DataFrame:
    """Scores of held-out cells for every model, on the same cells."""
    for name in ("NoChange", "TrainMean", "MeanDelta", "Additive"):
        baseline = getattr(scpi.model, name)
        baseline.setup_anndata(adata)
        models[name] = baseline(adata)
        models[name].train(train_size=0.8, validation_size=0.1, seed=seed)
    return scpi.benchmark.compare_predictions(models, rng=seed).assign(seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    adata = load()
    result: dict = {"n_cells": adata.n_obs, "n_sets": adata.varm["gene_sets"].shape[1]}
    result["plain_mean"] = differential(adata, None)
    learned, tables = [], []
    for seed in range(args.seeds):
        model = train(adata, seed=seed, encoder="gene_sets")
        learned += [row | {"seed": seed} for row in differential(adata, model)]
        mlp = train(adata, seed=seed, encoder="mlp")
        tables.append(predictions(adata, seed=seed, models={"SENAVAE": model, "SENAVAE, MLP encoder": mlp}))
        print(f"seed {seed} done", flush=True)
    result["learned"] = learned
    table = pd.concat(tables)
    columns = table.select_dtypes("number").columns.drop("seed")
    result["held_out_cells"] = json.loads(table.groupby("model")[list(columns)].mean().to_json(orient="index"))
    if args.out:
        store(args.out, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
