from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from scpi._docs import fill
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.pl._boxes import by_median, draw_boxes, draw_marks
from scpi.pl._figure import PAGE_WIDTH, PALETTE, finish, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@fill
def accuracy_boxplots(
    table: pd.DataFrame,
    *,
    value: str = "accuracy",
    by: str = "method",
    hue: str | None = None,
    column: str | None = None,
    row: str | None = None,
    order: Sequence[str] | str | None = None,
    marks: Mapping[str, pd.DataFrame] | None = None,
    label: str | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> list[Axes] | Figure | None:
    """Draw box plots of a score by method, over data sets, seeds and further columns of a table.

    Boxes show the quartiles, lines the median, diamonds the mean, and whiskers extend to the smallest and the largest
    value. Up to sixty values are also drawn as points. Methods are sorted by their median over the whole table.

    Parameters
    ----------
    table
        One row per value, such as the joined results of :func:`scpi.get.ranking_accuracy` of many data sets.
    value
        Column with the values to draw. Rows without a value are excluded.
    by
        Column with the methods, one position on the axis per method.
    hue
        Column whose values are drawn as coloured boxes side by side: at most six, in the order of the table.
    column, row
        Columns whose values define panels, in the order of the table.
    order
        Methods to draw, from top to bottom. If `None`, all, sorted by their median.
    marks
        Values to mark beside the boxes, such as `{"published": table}`, with a column for the methods and one for the
        value. They are drawn as crosses. A table without the column of a panel applies to all panels, and one without
        `hue` to all boxes of a method, as dashed lines.
    label
        Label of the value axis; the name of the column by default.
    %(figsize)s
    %(show)s
    %(return_fig)s

    Returns
    -------
    The axes from left to right and top to bottom if the figure is not shown, or the figure if `return_fig=True`.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If there is no value, a method of `order` has none, or `hue` has more values than there are colours.

    Examples
    --------
    >>> import pandas as pd
    >>> from scpi.benchmark import accuracy_boxplots
    >>> table = pd.DataFrame({"method": ["a", "a", "b", "b"], "k": [30, 100] * 2, "accuracy": [0.4, 0.5, 0.2, 0.3]})
    >>> axes = accuracy_boxplots(table, column="k", show=False)
    >>> len(axes)
    2
    """
    facets = [name for name in (by, hue, column, row) if name is not None]
    missing = [name for name in (*facets, value) if name not in table]
    if missing:
        msg = f"The table has no column {listed(missing)}, only {listed(table.columns)}."
        raise KeyError(msg)
    table = table.dropna(subset=[value])
    methods = by_median(table, value=value, by=by) if order is None else [str(name) for name in as_list(order)]
    table = table.astype(dict.fromkeys(facets, str))
    empty = [name for name in methods if name not in set(table[by])]
    if empty or not methods:
        msg = f"There are no values of {listed(empty)}." if empty else "The table has no values."
        raise ValueError(msg)
    table = table[table[by].isin(methods)]
    hues = [] if hue is None else list(dict.fromkeys(table[hue]))
    if len(hues) > len(PALETTE):
        msg = f"`hue` has {len(hues)} values, but there are only {len(PALETTE)} distinguishable colours."
        raise ValueError(msg)
    across, down = ([None] if name is None else list(dict.fromkeys(table[name])) for name in (column, row))
    if figsize is None:
        height = (0.17 if len(hues) > 1 else 0.22) * len(methods) * max(1, len(hues)) + 0.3
        figsize = min(PAGE_WIDTH, 1.8 + 2.4 * len(across)), height * len(down) + (0.8 if hues else 0.45)
    with style():
        figure, grid = plt.subplots(
            len(down), len(across), figsize=figsize, squeeze=False, sharex=True, sharey=True, layout="constrained"
        )
        for i, lower in enumerate(down):
            for j, right in enumerate(across):
                panel, where = grid[i, j], {column: right, row: lower}
                draw_boxes(panel, _rows(table, where), value=value, by=by, order=methods, hue=hue, hues=hues)
                for number, (name, others) in enumerate((marks or {}).items()):
                    shown = _rows(others.astype({key: str for key in facets if key in others}), where)
                    draw_marks(panel, shown, number, value=value, by=by, order=methods, hue=hue, hues=hues, label=name)
                panel.set_title("" if column is None or i > 0 else f"{column} = {right}")
                panel.set_ylabel("" if row is None or j > 0 else f"{row} = {lower}")
                panel.set_xlabel((label or value) if i == len(down) - 1 else "")
        handles, names = grid[0, 0].get_legend_handles_labels()
        if hues:
            handles = [plt.Rectangle((0, 0), 1, 1, color=PALETTE[i], alpha=0.6) for i in range(len(hues))] + handles
            names = [*hues, *names]
        if handles:
            figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 5))
        return finish(figure, list(grid.ravel()), ax=None, show=show, return_fig=return_fig)


def _rows(table: pd.DataFrame, where: Mapping[str | None, str | None]) -> pd.DataFrame:
    """Rows of one panel: those with its values in the columns that the table has."""
    for name, of in where.items():
        if name in table:
            table = table[table[name] == of]
    return table
