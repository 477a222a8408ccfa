"""Figures of ``gradient_study.py``: accuracies by method and network, and how well the networks cluster.

They are drawn from the results of the single tasks, and the published values are lines beside the boxes::

    python benchmarks/gradient_study_figures.py --results benchmarks/results/gradient_study --out docs/_static
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from scpi.benchmark import accuracy_boxplots

LABELS = ("true labels", "scziDesk", "scDeepCluster", "contrastive-sc")
TITLES = {
    "sparse decoder": "gradient of the decoder",
    # Of the clustering network, or with the true labels of a classifier
    "gradient, network": "gradient of the encoder",
    "gradient, classifier": "gradient of the encoder",
    "fold change over the median": "fold change over the median",
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


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracies, one row a task, method, universe, truth and depth; and the scores of the clusterings."""
    tasks = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    accuracies = pd.DataFrame(
        {
            "labels": task["labels"],
            "method": method,
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "gradient_study")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    mpl.use("Agg")
    accuracies, clusterings = read(args.results)
    accuracies = accuracies[accuracies["method"].isin(TITLES)]
    accuracies = accuracies.assign(method=accuracies["method"].map(TITLES))
    for universe in ("all", "hvg"):
        for truth in ("factor", "rest"):
            chosen = accuracies[(accuracies["universe"] == universe) & (accuracies["truth"] == truth)]
            # The study has the genes of each network for a universe, and the factors for a truth
            marks = {"published": published()} if truth == "factor" else None
            figure = accuracy_boxplots(chosen, column="k", hue="labels", marks=marks, label="Accuracy", return_fig=True)
            figure.savefig(args.out / f"gradient_accuracy_{universe}_{truth}.png", dpi=200)
    marks = {"published median": pd.DataFrame(_PUBLISHED_ARI.items(), columns=["network", "ARI"])}
    figure = accuracy_boxplots(clusterings, value="ARI", by="network", marks=marks, return_fig=True)
    figure.savefig(args.out / "gradient_clustering.png", dpi=200)


if __name__ == "__main__":
    main()
