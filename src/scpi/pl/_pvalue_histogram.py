from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi.pl._de_panels import tests_of_groups
from scpi.pl._figure import BLUE, SMALL, VERMILLION, finish, panel_grid, shorten, style

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
    r"""Draw how the p-values of a test are distributed, one panel for each group.

    Genes without a difference have p-values that are uniform: they fill the histogram up to the same height everywhere.
    The dashed line is that height if no gene differed, the solid one that of the estimated share of such genes
    :math:`\pi_0` (Storey, J. R. Stat. Soc. B 64, 2002, from the p-values above 0.5). Genes that differ stand out on
    the left. A slope or a hump anywhere else says that the test does not hold for these data.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` with a ranking of genes, as :func:`scpi.de.rank_genes`, :func:`scpi.de.limma` or
        :func:`scanpy.tl.rank_genes_groups` writes it.
    groups
        Groups to draw, in this order; if `None`, those with the most genes below an adjusted p-value of 0.05.
    n_panels
        Most groups to draw, where they are not chosen.
    n_bins
        Number of bars.
    %(mod)s
    %(ax)s
        Takes a single group.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the data holds no such ranking.
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
        n_columns = min(3, len(panels))
        for i, (panel, (group, frame)) in enumerate(zip(panels, tests.items(), strict=True)):
            pvals = frame["pval"].dropna().to_numpy()
            share = _share_of_nulls(pvals)
            panel.hist(pvals, bins=n_bins, range=(0, 1), color=BLUE, alpha=0.75, edgecolor="white", lw=0.4)
            uniform = len(pvals) / n_bins
            panel.axhline(uniform, color="black", lw=0.8, ls="--")
            panel.axhline(share * uniform, color=VERMILLION, lw=1.2)
            panel.set_title(f"{shorten(group, 30)}\n{len(pvals):,} genes", fontsize=SMALL, linespacing=1.3)
            panel.annotate(
                rf"$\pi_0$ = {share:.2f}",
                (0.97, 0.95),
                xycoords="axes fraction",
                ha="right",
                va="top",
                fontsize=SMALL,
                color=VERMILLION,
            )
            panel.set_xlim(0, 1)
            panel.set_xlabel("p" if i + n_columns >= len(panels) else "")
            panel.set_ylabel("Genes" if i % n_columns == 0 else "")
            panel.spines[["top", "right"]].set_visible(False)
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)


def _share_of_nulls(pvals: NDArray[np.float64], threshold: float = 0.5) -> float:
    """Estimate the share of genes without a difference: only these have large p-values."""
    return float(min(1.0, (pvals > threshold).mean() / (1.0 - threshold)))
