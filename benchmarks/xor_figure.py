"""Figure of ``xor.py``: the fraction of the drivers that each ranking has among its first genes, by setting::

python benchmarks/xor_figure.py --results benchmarks/results/xor.json --out docs/_static/xor.png
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from _dots import dots, name_rows, plain, save

COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00")


def draw(result: dict[str, Any]) -> plt.Figure:
    rows = result["summary"]
    settings = list(dict.fromkeys((row["n_cells"], row["fold"]) for row in rows))
    names = list(dict.fromkeys(row["ranking"] for row in rows))
    figure, ax = plt.subplots(figsize=(5.6, 0.8 + 0.27 * len(names)), layout="constrained")
    for i, (setting, colour) in enumerate(zip(settings, COLOURS, strict=True)):
        found = {row["ranking"]: row for row in rows if (row["n_cells"], row["fold"]) == setting}
        means, halves = ([found[name][key] for name in names] for key in ("recall", "recall_half"))
        label = f"{setting[0]:,} cells, {setting[1]:g}-fold"
        places = np.arange(len(names)) + 0.18 * (i - (len(settings) - 1) / 2)
        dots(ax, places, means, halves, color=colour, label=label)
    ax.axvline(result["chance"], color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    name_rows(ax, [name.replace("_", " ") for name in names])
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel(f"Fraction of the {result['n_drivers']} drivers among the first {result['n_drivers']} genes")
    ax.legend(frameon=False, fontsize=7, loc="lower right")
    plain(ax)
    return figure


if __name__ == "__main__":
    save(__doc__, draw)
