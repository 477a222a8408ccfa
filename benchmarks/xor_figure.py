"""Figure of ``xor.py``: the share of the drivers that each ranking has among its first genes, by setting::

python benchmarks/xor_figure.py --results benchmarks/results/xor.json --out docs/_static/xor.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00")


def draw(result: dict[str, Any]) -> plt.Figure:
    rows = result["summary"]
    settings = list(dict.fromkeys((row["n_cells"], row["fold"]) for row in rows))
    names = list(dict.fromkeys(row["ranking"] for row in rows))
    figure, ax = plt.subplots(figsize=(5.6, 0.8 + 0.27 * len(names)), layout="constrained")
    for i, (setting, colour) in enumerate(zip(settings, COLOURS, strict=True)):
        found = {row["ranking"]: row for row in rows if (row["n_cells"], row["fold"]) == setting}
        means, halves = (np.array([found[name][key] for name in names]) for key in ("recall", "recall_half"))
        ends = np.clip([means - halves, means + halves], 0, 1)
        label = f"{setting[0]:,} cells, {setting[1]:g}-fold"
        places = np.arange(len(names)) + 0.18 * (i - (len(settings) - 1) / 2)
        ax.hlines(places, *ends, color=colour, linewidth=1.2)
        ax.plot(means, places, "o", color=colour, markersize=3.5, label=label)
    ax.axvline(result["chance"], color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel(f"Share of the {result['n_drivers']} drivers among the first {result['n_drivers']} genes")
    ax.legend(frameon=False, fontsize=7, loc="lower right")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="0.93", linewidth=0.5)
    ax.set_axisbelow(True)
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
