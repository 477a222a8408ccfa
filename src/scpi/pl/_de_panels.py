"""Panels of differential expression tests: one per group, with genes coloured by direction and some of them labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi import get
from scpi._mudata import resolve_modality
from scpi._ranking import read_ranking
from scpi._slots import listed
from scpi.pl._figure import BLUE, SMALL, VERMILLION, label_panels, note_part, place_labels, shorten
from scpi.pl._fit import fit_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData
    from numpy.typing import NDArray

FAINT = "#B8B8B8"
# Logarithm of the smallest positive float; a p-value that was stored as zero is smaller
LOG10_SMALLEST = float(np.log10(np.nextafter(0.0, 1.0)))
# Number of genes above which points are rasterized, because a vector file of so many is slow to open
MAX_VECTOR_POINTS = 2000


def tests_of_groups(
    data: AnnData | MuData, key: str, groups: Sequence[str] | str | None, *, n_panels: int, mod: str | None
) -> dict[str, pd.DataFrame]:
    """Read the tests of the given groups, or of those with the most genes at an adjusted p-value of at most 0.05.

    Groups that are not given have the order of the ranking.
    """
    named = None if groups is None else [groups] if isinstance(groups, str) else [str(group) for group in groups]
    frame = get.de_df(data, key=key, group=named, mod=mod)
    if named is None:
        n_significant = (frame["pval_adj"] <= 0.05).groupby(frame["group"], observed=True).sum()
        most = {str(group) for group in n_significant.sort_values(ascending=False, kind="stable").index[:n_panels]}
        named = [str(group) for group in frame["group"].unique() if str(group) in most]
    if frame["pval"].isna().all():
        msg = f"The ranking under {key!r} has no p-values. Use a test such as `scpi.de.rank_genes`."
        raise ValueError(msg)
    return {group: frame[frame["group"] == group].reset_index(drop=True) for group in named}


def part_of_groups(
    data: AnnData | MuData, key: str, groups: Sequence[str] | str | None, drawn: int, *, mod: str | None
) -> tuple[int, int, str]:
    """Count the groups that are drawn, and those of the ranking if they are not given."""
    there = len(read_ranking(resolve_modality(data, mod), key).groups) if groups is None else drawn
    return drawn, there, "groups"


def directions(frame: pd.DataFrame, pval_cutoff: float, log2fc_min: float) -> NDArray[np.int_]:
    """Find the direction of each gene: 1 for up, -1 for down, 0 if its change is not significant or too small."""
    fold = frame["log2fc"].to_numpy()
    passed = (frame["pval_adj"].to_numpy() <= pval_cutoff) & (np.abs(fold) >= log2fc_min)
    return np.where(passed, np.sign(fold), 0).astype(int)


def within_axis(fold: NDArray[np.float64], limit: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Move changes above the limit to just outside of the others; return the changes and a mask of those moved."""
    size = np.abs(fold)
    beyond = size > limit
    edge = 1.08 * max(float(size[size <= limit].max(initial=0.0)), 1.0)
    return np.where(beyond, np.sign(fold) * edge, fold), beyond


def genes_to_name(
    data: AnnData | MuData,
    tests: dict[str, pd.DataFrame],
    genes: Sequence[str] | str | None,
    *,
    key: str,
    mod: str | None,
) -> list[str] | None:
    """List the genes to label; raise a `ValueError` if one of them is in no panel."""
    if genes is None:
        return None
    wanted = [genes] if isinstance(genes, str) else [str(gene) for gene in genes]
    tested = set().union(*(frame["gene"] for frame in tests.values()))
    unknown = [gene for gene in wanted if gene not in tested]
    if unknown:
        kind = "not measured" if not set(unknown) & set(resolve_modality(data, mod).var_names) else "not tested here"
        msg = f"These genes are {kind}: {listed(unknown)}. The ranking {key!r} has, for example, {listed(tested, 5)}."
        raise ValueError(msg)
    return wanted


def draw_genes(
    ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], direction: NDArray[np.int_], *, beyond: NDArray[np.bool_]
) -> None:
    """Draw points coloured by the direction of change, with triangles for those beyond the limit."""
    for sign, colour, alpha in ((0, FAINT, 0.5), (-1, BLUE, 0.7), (1, VERMILLION, 0.7)):
        for marker, chosen in (("o", ~beyond), ("^", beyond)):
            rows = (direction == sign) & chosen
            size = 6 if marker == "o" else 12
            ax.scatter(
                x[rows],
                y[rows],
                s=size,
                c=colour,
                marker=marker,
                alpha=alpha,
                linewidths=0,
                zorder=2 + abs(sign),
                rasterized=len(x) > MAX_VECTOR_POINTS,
            )
    ax.spines[["top", "right"]].set_visible(False)


def name_genes(
    ax: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    frame: pd.DataFrame,
    direction: NDArray[np.int_],
    *,
    genes: Sequence[str] | None,
    n_genes: int,
) -> None:
    """Label the given genes, or the changed genes with the smallest p-values."""
    if genes is None:
        # Ties, for example of p-values that were stored as zero, are ordered by decreasing change
        order = np.lexsort((-np.abs(frame["log2fc"].to_numpy()), frame["log10_pval"].to_numpy()))
        shown = order[direction[order] != 0][:n_genes]
    else:
        shown = np.flatnonzero(frame["gene"].isin(list(genes)))
    if len(shown):
        ax.scatter(x[shown], y[shown], s=11, facecolors="none", edgecolors="black", linewidths=0.5, zorder=4)
        place_labels(ax, x, y, [shorten(str(gene), 16) for gene in frame["gene"].to_numpy()[shown]], shown=shown)


def draw_tests(
    panels: Sequence[Axes],
    tests: Mapping[str, pd.DataFrame],
    points: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]],
    *,
    xlabel: str,
    ylabel: str,
    pval_cutoff: float,
    log2fc_min: float,
    genes: Sequence[str] | None,
    n_genes: int,
    ax: Axes | None,
    part: tuple[int, int, str],
) -> None:
    """Draw the genes of each group at the given points, with titles, labels of the axes and names of genes.

    `points` are the coordinates of the genes of each group, and a mask of those beyond the limit of an axis; `part` is
    the number of these groups and of those that there are.
    """
    direction = [directions(frame, pval_cutoff, log2fc_min) for frame in tests.values()]
    for panel, group, (x, y, beyond), sign in zip(panels, tests, points, direction, strict=True):
        draw_genes(panel, x, y, sign, beyond=beyond)
        counts = f"{(sign > 0).sum():,} up, {(sign < 0).sum():,} down"
        panel.set_title(f"{shorten(group, 30)}\n{counts}", fontsize=SMALL, linespacing=1.3)
    label_panels(panels, x=xlabel, y=ylabel)
    # Names are placed last, because their positions depend on the final layout of all panels
    figure = panels[0].get_figure(root=True)
    assert figure is not None  # for the type checker
    note_part(figure if ax is None else ax, part)
    fit_texts(figure, panels)
    for panel, frame, (x, y, _), sign in zip(panels, tests.values(), points, direction, strict=True):
        name_genes(panel, x, y, frame, sign, genes=genes, n_genes=n_genes)
