"""Figures of the benchmarks of perturbation prediction, from their collected results::

python benchmarks/predict_figures.py --results benchmarks/results --out docs/_static
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from _dots import plain

from scpi import pl

CONTEXTS = {
    "pearson": "Pearson of change",
    "error_ratio": "error / change",
    "energy_distance": "energy distance",
    "de_lfc_error": "fold-change error",
    "variance_error": "variance error",
}
COMBINATIONS = {"pearson": "Pearson of change", "error_ratio": "error / change"}
CEILINGS = {"split-half ceiling": "--", "perfect prediction": ":"}
COLOURS = (
    "#999999",
    "#56B4E9",
    "#E69F00",
    "#F0E442",
    "#000000",
    "#000000",
    "#D55E00",
    "#882255",
    "#0072B2",
    "#009E73",
    "#CC79A7",
)


def summary_of(rows: list[dict]) -> pd.DataFrame:
    """The summary with numeric columns: missing values are null in JSON."""
    table = pd.DataFrame(rows)
    numeric = table.columns.difference(["model", "metric", "higher_is_better"])
    return table.astype(dict.fromkeys(numeric, float))


def contexts(result: dict, name: str) -> plt.Figure:
    of = result[name]
    ceiling = "split-half ceiling"
    summary = summary_of(of["summary"])
    # From best to worst by the mean rank over all honest metrics; no prediction at all is the scale of the others
    order = [model for model in sorted(of["rank"], key=of["rank"].get) if model not in ("NoChange", "TrainMean")]
    baselines = [model for model in order if model not in of["rank_of_networks"]]
    return pl.benchmark(
        summary[~summary["model"].isin(["NoChange", "TrainMean"])],
        metrics=list(CONTEXTS),
        models=order,
        baselines=baselines,
        ceiling=ceiling if ceiling in set(summary["model"]) else None,
        labels=CONTEXTS,
        return_fig=True,
        show=False,
    )


def combinations(result: list[dict], name: str, kind: str) -> plt.Figure:
    of = next(row for row in result if row["data"] == name and row["left_out"] == kind)
    summary = summary_of(of["summary"])
    ceiling = "half of the cells"
    return pl.benchmark(
        summary,
        metrics=list(COMBINATIONS),
        baselines=["no change", "mean double", "additive"],
        ceiling=ceiling if ceiling in set(summary["model"]) else None,
        labels=COMBINATIONS,
        return_fig=True,
        show=False,
    )


def doses(result: dict) -> plt.Figure:
    table = pd.DataFrame(result["by_dose"])
    table[["pearson", "error_ratio"]] = table[["pearson", "error_ratio"]].astype(float)
    figure, axes = plt.subplots(1, 2, figsize=(6.6, 2.6), layout="constrained")
    for ax, (metric, title) in zip(axes, COMBINATIONS.items(), strict=True):
        for (model, rows), colour in zip(table.groupby("model", sort=False), COLOURS, strict=True):
            if metric == "pearson" and model == "NoChange":
                continue
            line = CEILINGS.get(model, "o-")
            ax.plot(rows["dose"], rows[metric], line, color=colour, lw=1.2, ms=3.5, label=model)
        ax.set_xscale("log")
        ax.set_xlabel("held-out dose (µM)")
        ax.set_ylabel(title)
        plain(ax)
    figure.legend(*axes[1].get_legend_handles_labels(), frameon=False, ncols=4, loc="outside upper center")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    mpl.use("agg")
    mpl.rcParams.update({"font.size": 8, "font.family": "sans-serif"})
    found = {path.stem: json.loads(path.read_text()) for path in args.results.glob("predict_*.json")}
    drawn = {}
    if "predict_contexts" in found:
        of = found["predict_contexts"]
        drawn |= {f"predict_{name}": contexts(of, name) for name in of if name != "both"}
    if "predict_combinations" in found:
        for name in ("norman2019", "wessels2023"):
            drawn[f"predict_{name}"] = combinations(found["predict_combinations"], name, "doubles")
    if "predict_doses" in found:
        drawn["predict_doses"] = doses(found["predict_doses"])
    for name, figure in drawn.items():
        figure.savefig(args.out / f"{name}.png", dpi=200)


if __name__ == "__main__":
    main()
