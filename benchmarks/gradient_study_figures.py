"""Figures of the result ``gradient_study``: accuracies by method and network, what they depend on, times, and the clusterings.

They are drawn from the results of the single tasks. Crosses are the published values::

    python benchmarks/gradient_study_figures.py --results benchmarks/results/gradient_study --out docs/_static
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _results import RESULTS, Tasks

from scpi.benchmark import accuracy_boxplots
from scpi.datasets import splat_configurations

LABELS = ("true labels", "scziDesk", "scDeepCluster", "contrastive-sc")
TITLES = {
    "sparse decoder": "gradient of the decoder",
    # Of the clustering network, or with the true labels of a classifier
    "gradient, network": "gradient of the encoder",
    "gradient, classifier": "gradient of the encoder",
    "fold change over the median": "fold change over the median",
    "fold change over the median x P": "fold change x probability",
    "fold change": "fold change",
    "t-test": "t-test",
    "t-test_overestim_var": "t-test, overestimated variance",
    "wilcoxon": "Wilcoxon",
    "edger": "edgeR",
    "zinb": "zero-inflated (DEsingle)",
    "shap": "SHAP",
    "permutation": "permutation",
}
# Accuracy of the study (30, 100, all), read off its figures: each network in the genes that it was given
_PUBLISHED = {
    ("gradient of the encoder", "scziDesk"): (0.420, 0.538, 0.457),
    ("gradient of the encoder", "scDeepCluster"): (0.253, 0.309, 0.338),
    ("gradient of the encoder", "contrastive-sc"): (0.166, 0.237, 0.298),
    ("t-test", "scziDesk"): (0.350, 0.356, 0.354),
    ("t-test", "scDeepCluster"): (0.197, 0.238, 0.254),
    ("t-test", "contrastive-sc"): (0.253, 0.291, 0.291),
    ("t-test", "true labels"): (0.279, 0.345, 0.360),
    ("Wilcoxon", "scziDesk"): (0.337, 0.356, 0.358),
    ("Wilcoxon", "scDeepCluster"): (0.164, 0.221, 0.254),
    ("Wilcoxon", "contrastive-sc"): (0.230, 0.285, 0.294),
    ("Wilcoxon", "true labels"): (0.269, 0.334, 0.347),
    ("SHAP", "scziDesk"): (0.220, 0.230, 0.272),
    ("SHAP", "scDeepCluster"): (0.106, 0.095, 0.166),
    ("SHAP", "contrastive-sc"): (0.133, 0.144, 0.201),
    ("SHAP", "true labels"): (0.273, 0.180, 0.223),
    ("permutation", "scziDesk"): (0.095, 0.155, 0.201),
    ("permutation", "scDeepCluster"): (0.032, 0.050, 0.143),
    ("permutation", "contrastive-sc"): (0.031, 0.066, 0.159),
    ("permutation", "true labels"): (0.058, 0.058, 0.150),
}
_PUBLISHED_ARI = {"scziDesk": 0.965, "scDeepCluster": 0.825, "contrastive-sc": 0.715}


def read(results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracies, one row per task, method, universe, truth and depth; and the scores of the clusterings."""
    tasks = list(Tasks(results).values())
    accuracies = pd.DataFrame(
        {
            "dataset": task["dataset"],
            "labels": task["labels"],
            "method": method,
            "seconds": found["seconds"],
            "ARI": task.get("ari", np.nan),
            "universe": universe,
            "truth": truth,
            "k": k,
            "accuracy": value,
        }
        for task in tasks
        for method, found in task["methods"].items()
        for universe in ("all", "hvg")
        for truth, depths in found[universe].items()
        for k, value in depths.items()
    )
    clusterings = pd.DataFrame([{"network": task["labels"], "ARI": task["ari"]} for task in tasks if "ari" in task])
    order = {name: place for place, name in enumerate(LABELS)}
    return accuracies.sort_values("labels", key=lambda column: column.map(order), kind="stable"), clusterings


def published() -> pd.DataFrame:
    return pd.DataFrame(
        {"method": method, "labels": labels, "k": k, "accuracy": value}
        for (method, labels), values in _PUBLISHED.items()
        for k, value in zip(("30", "100", "all"), values, strict=True)
    )


def correlations(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlations of the accuracy on the labels of the networks, methods x properties of the data sets."""
    found = accuracies[accuracies["labels"] != "true labels"].join(splat_configurations(), on="dataset")
    found["cells"] = np.log(found["n_cells"])
    found = found.rename(columns={"n_groups": "groups", "de_prob": "DE share", "dropout_mid": "dropout"})
    against = ["ARI", "groups", "DE share", "dropout", "cells"]
    by_method = {
        name: of[against].corrwith(of["accuracy"]).where(of[against].nunique() > 1)
        for name, of in found.groupby("method")
    }
    return pd.DataFrame(by_method).T


def draw_correlations(table: pd.DataFrame) -> plt.Figure:
    table = table.sort_values("ARI", ascending=False)
    figure, ax = plt.subplots(figsize=(4.6, 0.6 + 0.24 * len(table)), layout="constrained")
    image = ax.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        colour = "white" if abs(value) > 0.7 else "black"
        text = "" if np.isnan(value) else f"{value:.2f}"
        ax.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(table.shape[1]), table.columns, fontsize=7)
    ax.set_yticks(range(table.shape[0]), table.index, fontsize=7)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=ax, aspect=15)
    bar.set_label("Correlation with the accuracy", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS / "gradient_study")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    mpl.use("Agg")
    accuracies, clusterings = read(args.results)
    accuracies = accuracies[accuracies["method"].isin(TITLES) & accuracies["labels"].isin(LABELS)]
    accuracies = accuracies.assign(method=accuracies["method"].map(TITLES))
    for universe in ("all", "hvg"):
        for truth in ("factor", "rest"):
            chosen = accuracies[(accuracies["universe"] == universe) & (accuracies["truth"] == truth)]
            # The universe of the study is the genes of each network, and its truth is the factors
            marks = {"published": published()} if truth == "factor" else None
            figure = accuracy_boxplots(chosen, column="k", hue="labels", marks=marks, label="Accuracy", return_fig=True)
            figure.savefig(args.out / f"gradient_accuracy_{universe}_{truth}.png", dpi=130)
    times = accuracies.drop_duplicates(["dataset", "labels", "method", "seconds"])
    times = times[times["seconds"] > 0]
    figure = accuracy_boxplots(times, value="seconds", label="Seconds for all genes and groups", return_fig=True)
    figure.axes[0].set_xscale("log")
    figure.savefig(args.out / "gradient_seconds.png", dpi=130)
    factors = accuracies[(accuracies["universe"] == "all") & (accuracies["truth"] == "factor")]
    draw_correlations(correlations(factors)).savefig(args.out / "gradient_correlations.png", dpi=130)
    marks = {"published median": pd.DataFrame(_PUBLISHED_ARI.items(), columns=["network", "ARI"])}
    figure = accuracy_boxplots(clusterings, value="ARI", by="network", marks=marks, return_fig=True)
    figure.savefig(args.out / "gradient_clustering.png", dpi=130)


if __name__ == "__main__":
    main()
