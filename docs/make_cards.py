"""Draw the six small figures of the front page into ``docs/_static/cards``.

One of them needs a file of public data in the folder that the environment variable ``SCPI_TEST_DATA`` names; the others download theirs::

    python docs/make_cards.py
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import matplotlib as mpl
import scanpy as sc

import scpi

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.figure import Figure

OUT = Path(__file__).parent / "_static" / "cards"
DATA = Path(os.environ.get("SCPI_TEST_DATA", "."))
SIZE = (3.2, 2.4)
GROUPS = ["STAT1", "JAK2", "IFNGR1", "IFNGR2", "IRF1", "SMAD4", "CUL3", "BRD4"]


def kang() -> AnnData:
    """Counts of blood cells with and without interferon, log-normalised."""
    adata = scpi.datasets.kang_2018_small()
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def papalexi() -> AnnData:
    """Knock-outs in THP-1 cells, log-normalised."""
    adata = scpi.datasets.papalexi_2021_small()
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    return adata


def which_genes() -> Figure:
    """Genes that respond to interferon in monocytes, between samples."""
    adata = kang()
    monocytes = adata[adata.obs["cell_type"] == "CD14+ Monocytes"].copy()
    design = {"reference": "control", "sample_key": "sample_id", "covariates": ["donor"]}
    scpi.de.limma(monocytes, "perturbation", layer="counts", **design)
    return scpi.pl.volcano(monocytes, key="limma", figsize=SIZE, return_fig=True)


def why() -> Figure:
    """Gene sets that respond to knock-outs."""
    adata = papalexi()
    scpi.tl.gene_sets(adata, scpi.datasets.gene_sets("hallmark"), min_size=5)
    scpi.tl.pathway_activity(adata)
    scpi.tl.differential_activity(adata)
    return scpi.pl.pathway_activity(adata, groups=GROUPS, n_sets=8, figsize=SIZE, return_fig=True)


def what_if() -> Figure:
    """Monocytes under interferon, predicted from other cell types."""
    adata = kang()
    own = adata.obs["cell_type"] == "CD14+ Monocytes"
    training = adata[~(own & (adata.obs["perturbation"] == "IFNB"))].copy()
    scpi.model.WeightedDelta.setup_anndata(training, context_key="cell_type")
    model = scpi.model.WeightedDelta(training)
    model.train()
    predicted = model.predict(perturbation="IFNB", context="CD14+ Monocytes")
    scpi.tl.score_prediction(predicted, adata[own].copy())
    return scpi.pl.prediction(predicted, figsize=SIZE, return_fig=True)


def how_sure() -> Figure:
    """The error of the surest predictions of genes that were left out, in a screen of gene activation."""
    adata = ad.read_h5ad(DATA / "norman2019_pseudobulk_lfc_104s_130d.h5ad")
    adata.obs["perturbation"] = adata.obs_names
    adata = scpi.screen.with_zero_control(adata[~adata.obs_names.str.contains("+", regex=False)].copy())
    scpi.tl.perturbation_features(adata, gene_sets=DATA / "reactome_human.gmt")
    scpi.model.PerturbationGP.setup_anndata(adata)
    model = scpi.model.PerturbationGP(adata)
    model.train(train_size=1.0, held_out=["CEBPB"])
    model.calibrate("perturbations")
    scpi.tl.predict_perturbation(adata, model, "CEBPB")
    scpi.tl.predicted_hits(adata, model)
    return scpi.pl.risk_coverage(adata, figsize=SIZE, return_fig=True)


def what_next() -> Figure:
    """Power of experiments of other sizes."""
    adata = papalexi()
    adata.X = adata.layers["counts"]
    pilot = adata[adata.obs["perturbation"].isin(["control", "STAT1", "SMAD4", "BRD4"])].copy()
    table = scpi.design.power(
        pilot, groups="all", n_cells=[25, 50, 100, 200], depth=[0.5, 1.0], n_simulations=4, progress=False
    )
    return scpi.pl.power(table, figsize=SIZE, return_fig=True)


def how_good() -> Figure:
    """Predictions of cell types that were left out, beside the noise ceiling."""
    adata = kang()
    models = {name: getattr(scpi.model, name) for name in ("WeightedDelta", "RidgeDelta", "MeanDelta", "NoChange")}
    splits = scpi.benchmark.splits.leave_context_out(adata, context_key="cell_type")
    table = scpi.benchmark.evaluate(adata, models, splits, context_key="cell_type", metrics=["error_ratio"], seeds=[0])
    summary = scpi.benchmark.summarise(table, pair_by=["split"], average_over=["seed"])
    return scpi.pl.benchmark(
        summary, ceiling=["split-half ceiling", "perfect prediction"], figsize=SIZE, return_fig=True
    )


def main() -> None:
    warnings.simplefilter("ignore")
    mpl.use("agg")
    OUT.mkdir(parents=True, exist_ok=True)
    for draw in (which_genes, why, what_if, how_sure, what_next, how_good):
        draw().savefig(OUT / f"{draw.__name__}.png", dpi=130)


if __name__ == "__main__":
    main()
