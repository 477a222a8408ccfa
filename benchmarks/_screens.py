"""Screens and divisions of their cells, for the benchmarks of the guards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import scanpy as sc

import scpi
from scpi.benchmark import splits

# File, column of the labels, control, function that divides, its arguments
FILES: dict[str, tuple[str, str, str, str, dict[str, Any]]] = {
    "Kang, types": ("kang_muscat", "condition", "ctrl", "leave_context_out", {"context_key": "cell_type"}),
    "Kang, cells": ("kang_muscat", "condition", "ctrl", "random_cells", {"n_splits": 2}),
    "Kang, many genes": ("kang_harmony", "condition", "ctrl", "leave_context_out", {"context_key": "cell_type_pred"}),
    "Papalexi": ("papalexi2021_eccite_299genes", "perturbation", "non-targeting", "leave_perturbations_out", {}),
    "scifi": (
        "scifi_cropseq_jurkat_datlinger2021",
        "gene_perturbed",
        "control",
        "leave_perturbations_out",
        {"context_key": "perturbation_2"},
    ),
    "Hill": ("cropseq_dox_hill2018_28genes", "perturbation", "control", "leave_perturbations_out", {}),
    "sci-Plex": ("sciplex_a549_dex_8doses_198genes", "condition", "control", "leave_doses_out", {"dose_key": "dose"}),
    "glioblastoma": (
        "gbm_panobinostat_zhao2021_300genes",
        "condition",
        "ctrl",
        "leave_context_out",
        {"context_key": "patient_id"},
    ),
}
SIMULATED = {
    "planted, perturbations": "leave_perturbations_out",
    "planted, combinations": "leave_combinations_out",
    "planted, cells": "random_cells",
    "planted, no effect": "leave_perturbations_out",
}


def logged(adata: ad.AnnData) -> ad.AnnData:
    """Log-normalised cells, whose counts are a layer."""
    adata.X = adata.X.astype(np.float32)
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def read(name: str) -> tuple[ad.AnnData, list[Any], dict[str, Any]]:
    """Cells, divisions of them, and what the labels are."""
    if name in SIMULATED:
        size = 0.0 if name.endswith("no effect") else 1.0
        adata = logged(scpi.datasets.plant_screen(n_perturbations=6, n_cells=60, effect_size=size, rng=0))
        return adata, getattr(splits, SIMULATED[name])(adata, n_splits=3), {}
    file, key, control, function, options = FILES[name]
    adata = logged(ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{file}.h5ad"))
    labels = {"perturbation_key": key, "control": control}
    setup = labels | {key: value for key, value in options.items() if key.endswith("_key")}
    return adata, getattr(splits, function)(adata, **labels, **options), setup
