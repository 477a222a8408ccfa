from __future__ import annotations

from itertools import cycle, product
from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._slots import listed
from scpi.pl._figure import PALETTE, finish, legend_columns, panel_grid, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OTHERS = {"n_controls": "controls", "n_replicates": "replicates", "n_guides": "guides", "depth": "depth"}
_WANTED, _WIDTH = 0.8, 3.2


@fill
def power(
    summary: pd.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the fraction of the changed genes that is found against the number of cells per perturbation.

    There is one line, for all perturbations together, per value of the other sizes that vary, such as the depth. A
    dotted line marks a power of 0.8. If there is a single line, the perturbations are drawn as well, as pale lines.

    Parameters
    ----------
    summary
        Result of :func:`scpi.design.power`.
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    KeyError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from scpi import pl
    >>> sizes = {"n_cells": [25, 50], "n_controls": 100, "n_replicates": 1, "n_guides": 1, "depth": 1.0}
    >>> table = pd.DataFrame(sizes | {"perturbation": "A", "n_changed": [8.0, 10.0], "power": [0.25, 0.5]})
    >>> axes = pl.power(table, show=False)
    >>> axes.lines[-1].get_ydata().tolist()
    [0.25, 0.5]
    """
    columns = ("n_cells", *_OTHERS, "perturbation", "n_changed", "power")
    if missing := [name for name in columns if name not in summary]:
        msg = f"The table has no column {listed(missing)}: use the result of `scpi.design.power`."
        raise KeyError(msg)
    table = summary.assign(found=summary["power"].fillna(0.0) * summary["n_changed"])
    varied = [name for name in _OTHERS if table[name].nunique() > 1]
    lines = list(table.groupby(varied)) if varied else [((), table)]
    with style():
        labels = [
            ", ".join(f"{_OTHERS[name]} {value:g}" for name, value in zip(varied, values, strict=True))
            for values, _ in lines
        ]
        n_columns = legend_columns(labels, _WIDTH if figsize is None else figsize[0])
        height = 2.2 + (0.15 * -(-len(labels) // n_columns) if varied else 0.0)
        figure, (panel,) = panel_grid(1, ax, figsize, size=(_WIDTH, height), n_columns=1)
        panel.axhline(_WANTED, color="0.7", lw=0.8, ls=":")
        if not varied:
            for _, rows in table.dropna(subset="power").groupby("perturbation"):
                panel.plot(rows["n_cells"], rows["power"], color="0.85", lw=0.6, zorder=0)
        styles = cycle(product(("-", "--", "-.", ":"), PALETTE))
        for (_, rows), label, (dash, color) in zip(lines, labels, styles, strict=False):
            sums = rows.groupby("n_cells")[["found", "n_changed"]].sum()
            found = sums["found"] / sums["n_changed"]
            panel.plot(sums.index, found, marker="o", ls=dash, color=color, ms=3, lw=1.2, label=label)
        if varied and ax is None:
            figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=n_columns)
        elif varied:
            panel.legend()
        panel.set_ylim(0, 1.02)
        panel.set_xlabel("Cells per perturbation")
        panel.set_ylabel("Power")
        panel.spines[["top", "right"]].set_visible(False)
        return finish(figure, panel, ax=ax, show=show, return_fig=return_fig)
