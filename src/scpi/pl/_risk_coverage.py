from __future__ import annotations

from typing import TYPE_CHECKING

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi.pl._figure import BLUE, GREY, finish, new_axes, style

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@fill
def risk_coverage(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.PREDICTED_HITS,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the error of the most confident predictions in held-out conditions (risk-coverage curve).

    The line is the squared error relative to that of no change, averaged over the conditions with the largest
    confidence. It rises to the right if the confidence is informative. The grey line is the mean change in the same
    conditions. :func:`scpi.get.risk_coverage` returns the numbers.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` written by :func:`scpi.tl.predicted_hits`.
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    %(result_KeyError)s
    """
    table = get.risk_coverage(data, key=key, mod=mod)
    with style():
        figure, axes = new_axes(ax, figsize or (2.8, 2.2))
        for column, colour, label in (("risk_of_mean", GREY, "mean change"), ("risk", BLUE, "model")):
            axes.plot(table["coverage"], table[column], color=colour, marker=".", ms=3, label=label)
        axes.set_xlim(0.0, 1.02)
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel("Fraction of the conditions, surest first")
        axes.set_ylabel("Squared error / that of no change")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)
