"""Figure of the result ``gene_programs``: how well units correspond to known programs, by method and number of units::

python benchmarks/gene_programs_figure.py --results benchmarks/results/gene_programs.json --out docs/_static/gene_programs.png
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from _dots import dots, name_rows, plain, save

COLOURS = ("#0072B2", "#56B4E9", "#D55E00")
MEASURES = {"lms": "LMS of |Spearman|", "msgs": "MSGS of |Spearman|", "auroc": "AUROC of program genes"}


def draw(result: dict[str, Any]) -> plt.Figure:
    rows = result["by_times"]
    times = sorted({row["times"] for row in rows})
    order = {row["method"]: row["lms"] for row in result["means"]}
    # Methods that ran on part of the settings are below those that ran on all of them
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
            values = [found[name][measure] for name in known]
            halves = [found[name][f"{measure}_half"] or 0.0 for name in known]
            label = f"{time} unit{'s' if time > 1 else ''} a program"
            dots(ax, places, values, halves, color=colour, label=label)
        ax.set_xlabel(title)
        plain(ax)
    name_rows(axes[0], names)
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=len(times), loc="outside upper center")
    return figure


if __name__ == "__main__":
    save(__doc__, draw)
