from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._ranking import read_ranking
from scpi.pl._figure import shorten
from scpi.pl._order import similar
from scpi.pl._set_heatmap import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray


@fill
def contrast_heatmap(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    genes: Sequence[str] | str | None = None,
    n_genes: int = 30,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.LIMMA,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the log2 fold changes of genes in all comparisons of a ranking, with dots where they are significant.

    White is no change. A gene that was not tested in a comparison, such as one that is not expressed there, is grey.

    Parameters
    ----------
    %(data)s
    groups
        Groups or contrasts to draw, in this order; all if ``None``.
    genes
        Genes to draw, in this order. If ``None``, the top gene of each group, then the second of each, and so on, with
        similar genes next to each other.
    n_genes
        Maximum number of genes to draw if ``genes=None``.
    %(significant_pval_cutoff)s
    key
        Entry of ``adata.uns`` with a ranking of genes, as written by :func:`scpi.de.rank_genes`, :func:`scpi.de.limma`
        or :func:`scanpy.tl.rank_genes_groups`.
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    %(ranking_KeyError)s
    ValueError
        If a group or a gene is not in the ranking.
    """
    ranking = read_ranking(resolve_modality(data, mod), key)
    known = [str(name) for name in ranking.groups]
    columns = among(known, groups, "group")
    rows = np.array([known.index(name) for name in columns])
    names = [str(gene) for gene in ranking.genes]
    if genes is None:
        shown = _best(np.abs(ranking.scores[rows]), n_genes)
        shown = shown[similar(ranking.logfoldchanges[np.ix_(rows, shown)].T)]
    else:
        place = {name: i for i, name in enumerate(names)}
        shown = np.array([place[name] for name in among(names, genes, "gene")])
    fold, pval = (values[np.ix_(rows, shown)].T for values in (ranking.logfoldchanges, ranking.pvals_adj))
    return draw(
        np.asarray(fold, dtype=np.float64),
        [shorten(name, 30) for name in columns],
        [names[i] for i in shown],
        marks=pval <= pval_cutoff,
        label=r"$\log_2$ fold change",
        xlabel=f"Dot: adjusted p \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g}",
        parts=[(len(shown), len(names), "genes")] if genes is None else [],
        ax=ax,
        figsize=figsize,
        show=show,
        return_fig=return_fig,
    )


def _best(size: NDArray[np.floating], n: int) -> NDArray[np.intp]:
    """Sort genes by their best rank in any group, groups x genes; genes that no group tested are left out."""
    order = np.argsort(-np.nan_to_num(size, nan=-1.0), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable").min(axis=0)
    best = np.lexsort((-np.nan_to_num(size).max(axis=0), rank))
    return best[np.isfinite(size[:, best]).any(axis=0)][: max(n, 1)]
