from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi.pl._de_panels import tests_of_groups
from scpi.pl._figure import BLUE, SMALL, VERMILLION, finish_panels, label_panels, panel_grid, shorten, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray


@fill
def pvalue_histogram(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.RANK_GENES,
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
    gene differed; the solid line is the height for the estimated fraction of null genes :math:`\pi_0` (Storey, J. R.
    Stat. Soc. B 64, 2002, from the p-values above 0.5). Genes that differ appear as a peak on the left. A slope or a peak
    anywhere else indicates that the test is not calibrated for these data.

    Parameters
    ----------
    %(data)s
    %(tested_key)s
    n_bins
        Number of bars.
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    %(ranking_KeyError)s
    ValueError
        If a group was not tested, the ranking has no p-values, or `ax` is given for several groups.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> panel = scpi.pl.pvalue_histogram(adata, groups="Dendritic", show=False)
    """
    tests = tests_of_groups(data, key, groups, n_panels=n_panels, mod=mod)
    with style():
        figure, panels = panel_grid(len(tests), ax, figsize, size=(2.36, 1.8), n_columns=3)
        for panel, (group, frame) in zip(panels, tests.items(), strict=True):
            pvals = frame["pval"].dropna().to_numpy()
            pi0 = _null_fraction(pvals)
            panel.hist(pvals, bins=n_bins, range=(0, 1), color=BLUE, alpha=0.75, edgecolor="white", lw=0.4)
            uniform = len(pvals) / n_bins
            panel.axhline(uniform, color="black", lw=0.8, ls="--")
            panel.axhline(pi0 * uniform, color=VERMILLION, lw=1.2)
            panel.set_title(f"{shorten(group, 30)}\n{len(pvals):,} genes", fontsize=SMALL, linespacing=1.3)
            panel.annotate(
                rf"$\pi_0$ = {pi0:.2f}",
                (0.97, 0.95),
                xycoords="axes fraction",
                ha="right",
                va="top",
                fontsize=SMALL,
                color=VERMILLION,
            )
            panel.set_xlim(0, 1)
            panel.spines[["top", "right"]].set_visible(False)
        label_panels(panels, 3, x="p", y="Genes")
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _null_fraction(pvals: NDArray[np.float64], threshold: float = 0.5) -> float:
    """Estimate the fraction of genes without a difference from the p-values above the threshold."""
    return float(min(1.0, (pvals > threshold).mean() / (1.0 - threshold)))
