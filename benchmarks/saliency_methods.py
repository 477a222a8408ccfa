"""Comparison of saliency methods: which recover the genes of known programs, and which depend on the network.

Counts of 1,000 cells and 300 genes with six programs of 30 genes, a fifth of them shared, and models of six units. The
unit of a program is the one whose activity correlates with that of the program, matched one to one; its saliency is
scored by the area under the curve with which it separates the genes of the program from the others. For attributions of
encoders, the order in which genes move a unit from the mean cell to its value is also scored (insertion, in 200 cells),
and the rank correlation that remains once the last layer of the encoder is shuffled. One row per seed, model and
method::

    OMP_NUM_THREADS=1 python benchmarks/saliency_methods.py --out benchmarks/results/saliency_methods.json
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi
import torch
from _quiet import one_quiet_thread
from _results import store

import scpi
from scpi.attribution import (
    AttributionTarget,
    attribute_cells,
    attribute_units,
    insertion_deletion,
    parameter_randomisation,
)
from scpi.model import attribution_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

N_CELLS, N_GENES, N_PROGRAMS, N_TRIED = 1000, 300, 6, 200
OF_ENCODERS = ("gradient", "integrated_gradients", "deeplift", "guided")
# Signed contributions relative to the mean cell cancel in the mean over the cells
OF_SIZES = ("integrated_gradients", "deeplift", "guided")
OF_DECODERS = ("decoder_effect", "latent_traversal")
COUNTS = {"n_genes_per_program": 30, "overlap": 0.2}


def linear_scvi(adata: AnnData, seed: int) -> Any:
    return of_scvi(scvi.model.LinearSCVI, adata, seed)


def nonlinear_scvi(adata: AnnData, seed: int) -> Any:
    return of_scvi(scvi.model.SCVI, adata, seed)


def of_scvi(model_class: Any, adata: AnnData, seed: int) -> Any:
    scvi.settings.seed = seed
    model_class.setup_anndata(adata)
    model = model_class(adata, n_latent=N_PROGRAMS)
    model.train(60, accelerator="cpu", enable_progress_bar=False, logger=False)
    return model, model.module.z_encoder


def sc_deep_cluster(adata: AnnData, seed: int) -> Any:
    scpi.model.SCDeepCluster.setup_anndata(adata)
    model = scpi.model.SCDeepCluster(adata, n_clusters=4, n_latent=N_PROGRAMS, seed=seed)
    model.train(max_cluster_epochs=0, accelerator="cpu", enable_progress_bar=False)
    return model, model.module.encoder


MODELS: dict[str, Callable[[AnnData, int], Any]] = {
    "SCVI": nonlinear_scvi,
    "LinearSCVI": linear_scvi,
    "SCDeepCluster": sc_deep_cluster,
}


def means(target: AttributionTarget, x: Any, method: str) -> np.ndarray:
    """Means over the cells, of absolute values if signs cancel, units x genes."""
    absolute = method in OF_SIZES
    found = attribute_units(target, x, method=method, absolute=absolute)
    values = found.mean_abs if absolute else found.mean
    assert values is not None
    return values[0]


def compare(name: str, seed: int) -> list[dict[str, Any]]:
    adata = scpi.datasets.gene_programs(N_CELLS, N_GENES, N_PROGRAMS, **COUNTS, rng=seed)
    model, encoder = MODELS[name](adata, seed)
    truth = np.asarray(adata.obsm["programs"])
    followed = scpi.metrics.association(model.get_latent_representation(), truth)
    units = scpi.metrics.match_units(followed)
    counts = adata.X[:N_TRIED]
    rows = []
    for method in (*OF_ENCODERS, *OF_DECODERS, "random"):
        row: dict[str, Any] = {"model": name, "seed": seed, "method": method}
        if method != "random":
            absolute = method in OF_SIZES
            scpi.tl.saliency(adata, model, method=method, absolute=absolute)
            saliency = adata.varm["saliency_abs" if absolute else "saliency"].to_numpy()
            row["auroc"] = float(scpi.metrics.program_auroc(saliency, np.asarray(adata.varm["programs"]), units).mean())
        if method not in OF_DECODERS:
            target = attribution_target(model, "latent")
            row["insertion"] = insertion(target, counts, method)
        if method in OF_ENCODERS:
            steps = parameter_randomisation(
                encoder, lambda method=method: means(attribution_target(model, "latent"), counts, method), rng=seed
            )
            row["left_after_shuffle"] = float(steps["spearman_abs"].iloc[last_layer(name)])
        rows.append(row)
    return rows


def last_layer(name: str) -> int:
    """Step after which the last layer of the means is shuffled: that of variances comes before it in scvi-tools."""
    return 0 if name == "SCDeepCluster" else 1


def insertion(target: AttributionTarget, counts: Any, method: str) -> float:
    """Area under the insertion, averaged over the units."""
    if method == "random":
        found = None
    else:
        found = attribute_cells(target, counts, method=method).values
        if method in {"gradient", "guided"}:  # slopes become contributions
            x = target.transform(torch.from_numpy(counts.toarray()).float()).numpy()
            found = found * (x - x.mean(0))
    return float(insertion_deletion(target, counts, found).insertion_auc.mean())


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the seeds, with their standard errors."""
    table = pd.DataFrame(rows)
    found = []
    for (model, method), part in table.groupby(["model", "method"], sort=False):
        entry: dict[str, Any] = {"model": model, "method": method, "n_seeds": len(part)}
        for column in ("auroc", "insertion", "left_after_shuffle"):
            values = part[column].dropna()
            if len(values):
                entry[column] = float(values.mean())
                entry[f"{column}_se"] = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
        found.append(entry)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    one_quiet_thread()
    rows: list[dict[str, Any]] = []
    for seed in range(arguments.seeds):
        for name in MODELS:
            rows += compare(name, seed)
            print(pd.DataFrame(rows[-7:]).round(3).to_string(), flush=True)
            found = {
                "counts": {"n_cells": N_CELLS, "n_genes": N_GENES, "n_programs": N_PROGRAMS, **COUNTS},
                "scvi-tools": version("scvi-tools"),
                "torch": version("torch"),
                "summary": summary(rows),
                "runs": rows,
            }
            store(arguments.out, found)


if __name__ == "__main__":
    main()
