"""Draw ``docs/_static/readme.png``: a prediction, the pathways and the causal graph of two screens.

The planted screen needs nothing, the screen of Papalexi et al. (2021) two files in the folder that the environment variable
``SCPI_TEST_DATA`` names. Results are kept in ``--work`` and drawn from there the next time::

    python docs/make_readme_figure.py --work FOLDER
"""

from __future__ import annotations

import argparse
import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import scanpy as sc

import scpi

if TYPE_CHECKING:
    from anndata import AnnData

OUT = Path(__file__).parent / "_static" / "readme.png"
MILLIMETRES = 1 / 25.4
GROUPS = ["STAT1", "JAK2", "IFNGR1", "IFNGR2", "IRF1", "STAT2", "SMAD4", "BRD4", "CUL3", "NFKBIA", "CAV1", "CD86"]
SETS = [
    f"HALLMARK_{name}"
    for name in (
        "INTERFERON_GAMMA_RESPONSE",
        "INTERFERON_ALPHA_RESPONSE",
        "IL6_JAK_STAT3_SIGNALING",
        "COMPLEMENT",
        "ALLOGRAFT_REJECTION",
        "COAGULATION",
        "TGF_BETA_SIGNALING",
        "INFLAMMATORY_RESPONSE",
        "TNFA_SIGNALING_VIA_NFKB",
        "UV_RESPONSE_UP",
        "MYC_TARGETS_V1",
        "OXIDATIVE_PHOSPHORYLATION",
    )
]
# Axes that are given to a plot keep the fonts that they were made with
FONTS = {
    "font.size": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


def planted() -> AnnData:
    """Predicted cells of an unseen pair of perturbations, scored with the planted ones."""
    adata = scpi.datasets.plant_screen(n_cells=200, effect_size=1.5, interaction=0.5)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    doubles = [label for label in adata.obs["perturbation"].cat.categories if "+" in label]
    scpi.model.SENAVAE.setup_anndata(adata)
    model = scpi.model.SENAVAE(adata)
    model.train(held_out=doubles, train_size=0.8, validation_size=0.1, enable_progress_bar=False)
    unseen = np.union1d(model.test_indices, model.validation_indices)
    controls = unseen[(adata.obs["perturbation"].iloc[unseen] == "control").to_numpy()]
    # The predictions start from one half of the unseen controls, and the real change is taken against the other
    predicted = model.predict(perturbation=doubles, indices=controls[::2])
    real = adata[np.setdiff1d(unseen, controls[::2])].copy()
    scpi.tl.score_prediction(predicted, real)
    return predicted


def papalexi() -> AnnData:
    """Pathway activity and causal graph of a real screen, as in the tutorial."""
    folder = Path(os.environ["SCPI_TEST_DATA"])
    adata = sc.read_h5ad(folder / "papalexi2021_eccite_299genes.h5ad")
    adata.obs["perturbation"] = adata.obs["perturbation"].cat.rename_categories({"non-targeting": "control"})
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    scpi.tl.gene_sets(adata, folder / "hallmark_human_v7.0.gmt", min_size=3)
    scpi.model.SENAVAE.setup_anndata(adata)
    model = scpi.model.SENAVAE(adata, seed=0)
    model.train(60, train_size=0.8, validation_size=0.1, enable_progress_bar=False)
    scpi.tl.pathway_activity(adata, model)
    scpi.tl.differential_activity(adata)
    scpi.tl.causal_graph(adata, model)
    return adata


def kept(name: str, compute: object, folder: Path) -> AnnData:
    """Result of an earlier run, or a new one."""
    path = folder / f"{name}.h5ad"
    if not path.exists():
        compute().write_h5ad(path)
    return sc.read_h5ad(path)


def draw(predicted: AnnData, screen: AnnData) -> plt.Figure:
    """Three panels on the width of a page."""
    figure = plt.figure(figsize=(180 * MILLIMETRES, 78 * MILLIMETRES))
    scores = predicted.uns["prediction"]["scores"]
    largest = scores.loc[scores["rmse_no_change"].idxmax(), "perturbation"]
    panels = {
        "a": ("Unseen pair of perturbations", (0.062, 0.145, 0.215, 0.64), 0.004),
        "b": ("Response of pathways to knock-outs", (0.478, 0.205, 0.165, 0.685), 0.305),
        "c": ("Which knock-outs share a factor", (0.695, 0.0, 0.305, 0.9), 0.71),
    }
    axes = {}
    for letter, (title, place, left) in panels.items():
        axes[letter] = figure.add_axes(place)
        figure.text(left, 0.985, letter, fontsize=10, fontweight="bold", va="top")
        figure.text(left + 0.018, 0.98, title, fontsize=8, va="top")
    scpi.pl.prediction(predicted, perturbations=largest, n_genes=4, ax=axes["a"])
    scpi.pl.pathway_activity(screen, groups=GROUPS, sets=SETS, ax=axes["b"])
    scpi.pl.causal_graph(screen, n_targets=2, n_sets=0, n_isolated=6, ax=axes["c"])
    axes["b"].set_xlabel("")
    axes["c"].get_legend().remove()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    mpl.use("agg")
    args.work.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(FONTS):
        figure = draw(kept("planted", planted, args.work), kept("papalexi", papalexi, args.work))
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=200)


if __name__ == "__main__":
    main()
