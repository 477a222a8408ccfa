from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._sequence import as_list
from scpi.pl._de_panels import part_of_groups, tests_of_groups
from scpi.pl._figure import (
    BLUE,
    PALETTE,
    SMALL,
    VERMILLION,
    finish_panels,
    label_panels,
    note_part,
    panel_grid,
    shorten,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray


@fill
def pvalue_histogram(
    data: AnnData | MuData,
    *,
    key: str | Sequence[str] | Mapping[str, str] = Key.uns.RANK_GENES,
    groups: Sequence[str] | str | None = None,
    n_panels: int = 6,
    n_bins: int = 20,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    r"""Draw a histogram of the p-values of a test, one panel per group.

    The p-values of genes without a difference are uniformly distributed. The dashed line is the height of the bars if no
    gene differed. The solid line is the height for the estimated fraction of null genes :math:`\pi_0` (Storey, J. R.
    Stat. Soc. B 64, 2002, from the p-values above 0.5). Genes that differ appear as a peak on the left. A slope or a peak
    anywhere else indicates that the test is not calibrated for these data.

    Several rankings of the same groups, such as tests of measured and of generated cells, are drawn as outlines in the same
    panel. As tests may differ in the number of tested genes, the heights are relative to a uniform distribution.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` with a ranking of genes, as written by :func:`scpi.de.rank_genes`, :func:`scpi.de.limma` or
        :func:`scanpy.tl.rank_genes_groups`; or several, at most six, as a list or as a mapping from names to entries.
    groups
        Groups to draw, in this order. If `None`, those with the most genes at an adjusted p-value of at most 0.05 in
        the first ranking, in its order.
    n_panels
        Maximum number of groups to draw if `groups=None`.
    n_bins
        Number of bars.
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such ranking.
    ValueError
        If a group was not tested, a ranking has no p-values, there are no or too many rankings, or `ax` is given for
        several groups.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> panel = scpi.pl.pvalue_histogram(adata, groups="Dendritic", show=False)
    """
    keys = dict(key) if isinstance(key, Mapping) else {str(name): str(name) for name in as_list(key)}
    if not 1 <= len(keys) <= len(PALETTE):
        msg = f"`key` must name 1 to {len(PALETTE)} rankings, but names {len(keys)}."
        raise ValueError(msg)
    tests: dict[str, dict[str, pd.DataFrame]] = {}
    shown = groups
    for name, entry in keys.items():
        tests[name] = tests_of_groups(data, entry, shown, n_panels=n_panels, mod=mod)
        shown = list(tests[name])
    with style():
        figure, panels = panel_grid(len(shown or ()), ax, figsize, size=(2.36, 1.8), n_columns=3)
        for panel, group in zip(panels, shown or (), strict=True):
            pvals = {name: frames[group]["pval"].dropna().to_numpy() for name, frames in tests.items()}
            if len(keys) == 1:
                _bars(panel, next(iter(pvals.values())), n_bins)
            else:
                _outlines(panel, pvals, n_bins)
            n_genes = " / ".join(f"{len(values):,}" for values in pvals.values())
            panel.set_title(f"{shorten(group, 30)}\n{n_genes} genes", fontsize=SMALL, linespacing=1.3)
            panel.set_xlim(0, 1)
            panel.spines[["top", "right"]].set_visible(False)
        label_panels(panels, x="p", y="Genes" if len(keys) == 1 else "Genes relative to uniform")
        part = part_of_groups(data, next(iter(keys.values())), groups, len(panels), mod=mod)
        note_part(figure if ax is None else ax, part)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _bars(panel: Axes, pvals: NDArray[np.float64], n_bins: int) -> None:
    """Draw the number of genes in each bar, and its expected heights if no gene differed and for the null genes."""
    pi0, uniform = _null_fraction(pvals), len(pvals) / n_bins
    panel.hist(pvals, bins=n_bins, range=(0, 1), color=BLUE, alpha=0.75, edgecolor="white", lw=0.4)
    panel.axhline(uniform, color="black", lw=0.8, ls="--")
    panel.axhline(pi0 * uniform, color=VERMILLION, lw=1.2)
    panel.annotate(
        rf"$\pi_0$ = {pi0:.2f}",
        (0.97, 0.95),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize=SMALL,
        color=VERMILLION,
    )


def _outlines(panel: Axes, pvals: Mapping[str, NDArray[np.float64]], n_bins: int) -> None:
    """Draw the outlines of several rankings on one scale, on which 1 is a uniform distribution."""
    for (name, values), colour in zip(pvals.items(), PALETTE, strict=False):
        heights, edges = np.histogram(values, bins=n_bins, range=(0, 1))
        label = rf"{shorten(name, 24)}, $\pi_0$ = {_null_fraction(values):.2f}"
        panel.stairs(heights * n_bins / max(len(values), 1), edges, color=colour, lw=1.2, label=label)
    panel.axhline(1.0, color="black", lw=0.8, ls="--")
    panel.set_ylim(0)
    panel.legend(loc="upper right")


def _null_fraction(pvals: NDArray[np.float64], threshold: float = 0.5) -> float:
    """Estimate the fraction of genes without a difference from the p-values above the threshold."""
    return float(min(1.0, (pvals > threshold).mean() / (1.0 - threshold)))
