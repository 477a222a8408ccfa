"""Figure of ``gene_programs.py``: how well units stand for known programs, by method and number of units::

python benchmarks/gene_programs_figure.py --results benchmarks/results/gene_programs.json --out docs/_static/gene_programs.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

COLOURS = ("#0072B2", "#56B4E9", "#D55E00")
MEASURES = {"lms": "LMS of |Spearman|", "msgs": "MSGS of |Spearman|", "auroc": "AUROC of program genes"}


def draw(result: dict[str, Any]) -> plt.Figure:
    rows = result["by_times"]
    times = sorted({row["times"] for row in rows})
    order = {row["method"]: row["lms"] for row in result["means"]}
    # Methods that ran on part of the settings stand below those that ran on all of them
    tasks = {row["method"]: row["tasks"] for row in result["means"]}
    names = sorted(order, key=lambda name: (tasks[name] < result["n_tasks"], -order[name]))
    figure, axes = plt.subplots(
        1, len(MEASURES), figsize=(7.2, 0.9 + 0.25 * len(names)), sharey=True, layout="constrained"
    )
    for ax, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        for i, (time, colour) in enumerate(zip(times, COLOURS, strict=True)):
            found = {row["method"]: row for row in rows if row["times"] == time}
            known = [name for name in names if name in found]
            places = np.array([names.index(name) for name in known]) + 0.2 * (i - (len(times) - 1) / 2)
            values = np.array([found[name][measure] for name in known])
            halves = np.array([found[name][f"{measure}_half"] or 0.0 for name in known])
            ends = np.clip([values - halves, values + halves], 0, 1)
            ax.hlines(places, *ends, color=colour, linewidth=1.2)
            label = f"{time} unit{'s' if time > 1 else ''} a program"
            ax.plot(values, places, "o", color=colour, markersize=3.5, label=label)
        ax.set_xlabel(title)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="0.93", linewidth=0.5)
        ax.set_axisbelow(True)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=len(times), loc="outside upper center")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    mpl.use("agg")
    mpl.rcParams.update({"font.size": 8, "font.family": "sans-serif"})
    draw(json.loads(args.results.read_text())).savefig(args.out, dpi=200)


if __name__ == "__main__":
    main()
