"""What the figures of tests of genes share: one panel a group, genes by direction, names of some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi import get
from scpi._mudata import resolve_modality
from scpi._slots import listed
from scpi.pl._figure import BLUE, SMALL, VERMILLION, place_labels, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData
    from numpy.typing import NDArray

FAINT = "#B8B8B8"
# The logarithm of the smallest float: a p-value that was stored as zero is below it
SMALLEST = float(np.log10(np.nextafter(0.0, 1.0)))
# Points of thousands of genes would make a vector file slow to open
MANY = 2000


def tests_of_groups(
    data: AnnData | MuData, key: str, groups: Sequence[str] | str | None, *, n_panels: int, mod: str | None
) -> dict[str, pd.DataFrame]:
    """Tests of each group that is drawn: the given ones, or those with the most genes below an adjusted p of 0.05."""
    named = None if groups is None else [groups] if isinstance(groups, str) else [str(group) for group in groups]
    frame = get.de_df(data, key=key, group=named, mod=mod)
    if named is None:
        found = (frame["pval_adj"] <= 0.05).groupby(frame["group"], observed=True).sum()
        named = [str(group) for group in found.sort_values(ascending=False, kind="stable").index[:n_panels]]
    if frame["pval"].isna().all():
        msg = f"The ranking under {key!r} has no p-values. A test such as `scpi.de.rank_genes` gives some."
        raise ValueError(msg)
    return {group: frame[frame["group"] == group].reset_index(drop=True) for group in named}


def directions(frame: pd.DataFrame, pval_cutoff: float, log2fc_min: float) -> NDArray[np.int_]:
    """1 for genes that go up, -1 for those that go down, 0 for those whose change is not significant or too small."""
    fold = frame["log2fc"].to_numpy()
    passed = (frame["pval_adj"].to_numpy() <= pval_cutoff) & (np.abs(fold) >= log2fc_min)
    return np.where(passed, np.sign(fold), 0).astype(int)


def within_axis(fold: NDArray[np.float64], limit: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Put changes above the limit just outside of the others, and say which those are."""
    size = np.abs(fold)
    beyond = size > limit
    edge = 1.08 * max(float(size[size <= limit].max(initial=0.0)), 1.0)
    return np.where(beyond, np.sign(fold) * edge, fold), beyond


def genes_to_name(
    data: AnnData | MuData,
    tests: dict[str, pd.DataFrame],
    genes: Sequence[str] | None,
    *,
    key: str,
    mod: str | None,
) -> list[str] | None:
    """Check genes that are to be named: each has to be in one of the panels."""
    if genes is None:
        return None
    wanted = [genes] if isinstance(genes, str) else [str(gene) for gene in genes]
    tested = set().union(*(frame["gene"] for frame in tests.values()))
    unknown = [gene for gene in wanted if gene not in tested]
    if unknown:
        kind = "not measured" if not set(unknown) & set(resolve_modality(data, mod).var_names) else "not tested here"
        msg = f"These genes are {kind}: {listed(unknown)}. The ranking {key!r} has, among others, {listed(tested, 5)}."
        raise ValueError(msg)
    return wanted


def draw_genes(
    ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], direction: NDArray[np.int_], *, beyond: NDArray[np.bool_]
) -> None:
    """Draw points by the direction of change, with triangles for those that lie outside of the axes."""
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
                rasterized=len(x) > MANY,
            )
    ax.spines[["top", "right"]].set_visible(False)


def title_with_counts(ax: Axes, group: str, direction: NDArray[np.int_]) -> None:
    """Name the group, and say how many genes go up and down."""
    ax.set_title(
        f"{shorten(group, 30)}\n{(direction > 0).sum():,} up, {(direction < 0).sum():,} down",
        fontsize=SMALL,
        linespacing=1.3,
    )


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
    """Write the names of the given genes, or of those with the smallest p-values among the changed."""
    if genes is None:
        # Of equal p-values, as those that were stored as zero, the larger change first
        order = np.lexsort((-np.abs(frame["log2fc"].to_numpy()), frame["log10_pval"].to_numpy()))
        shown = order[direction[order] != 0][:n_genes]
    else:
        shown = np.flatnonzero(frame["gene"].isin(list(genes)))
    if len(shown):
        ax.scatter(x[shown], y[shown], s=11, facecolors="none", edgecolors="black", linewidths=0.5, zorder=4)
        place_labels(ax, x, y, [shorten(str(gene), 16) for gene in frame["gene"].to_numpy()[shown]], shown=shown)
