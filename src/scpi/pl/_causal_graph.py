from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result
from scpi.pl._figure import (
    BLUE,
    GREY,
    MAX_HEIGHT,
    PAGE_WIDTH,
    SMALL,
    VERMILLION,
    finish,
    legend_columns,
    new_axes,
    part_drawn,
    set_labels,
    shorten,
    some_names,
    style,
)
from scpi.pl._layered import layered_layout

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

    from scpi.pl._layered import Layout

# In inches: height of a line of text, widths of a normal and a bold character, minimum and maximum radius of a node,
# distance between two rows, and height of the legend
_LINE, _CHARACTER, _BOLD = 0.125, 0.067, 0.074
_RADIUS = (0.1, 0.2)
_GAP, _LEGEND = 0.36, 0.3
# Minimum width of a figure, and width of a figure with few nodes
_NARROWEST, _PER_NODE = 4.6, 2.36
# Maximum numbers of nodes per row and of characters per line, tried in this order until the graph fits on the page
_DENSITIES = ((5, 34), (5, 28), (5, 22), (4, 26), (4, 20), (3, 24), (3, 18), (3, 12))


@dataclass(frozen=True)
class _Node:
    radius: float
    targets: list[str]
    sets: list[str]

    @property
    def width(self) -> float:
        bold, plain = max(map(len, self.targets), default=0), max(map(len, self.sets), default=0)
        return 0.15 + max(2 * self.radius, _BOLD * bold, _CHARACTER * plain)

    @property
    def height(self) -> float:
        return 2 * self.radius + 0.05 + _LINE * (len(self.targets) + len(self.sets))


@fill
def causal_graph(
    data: AnnData | MuData,
    *,
    threshold: float | None = None,
    top_n: int | None = 20,
    min_stability: float | None = 0.8,
    n_targets: int = 3,
    n_sets: int = 2,
    n_isolated: int = 10,
    key: str = Key.uns.CAUSAL_GRAPH,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the causal graph from top to bottom in causal order.

    Each node is a factor, whose area increases with the number of perturbations that act on it. The labels below it are
    these perturbations (bold) and the top gene sets of the factor. An edge with an arrow raises its target, an edge with
    a bar lowers it, and stronger effects have wider edges. Edges that are not reproduced in other cells are not drawn.
    If none is reproduced, a note says so.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.causal_graph` has been run on it.
    threshold
        Minimum absolute weight of the edges to draw; no minimum if `None`.
    top_n
        Maximum number of edges to draw, those with the largest absolute weights; all if `None`.
    min_stability
        Minimum fraction of the halves of the cells in which an edge was reproduced; no minimum if `None`, or if the
        stability was not computed.
    n_targets
        Maximum number of perturbations to name per factor, followed by the number of the others.
    n_sets
        Maximum number of gene sets to name per factor.
    n_isolated
        Maximum number of factors without an edge to draw, those that the most perturbations act on. Factors without an
        edge or a perturbation are omitted.
    %(result_key)s
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    KeyError
        If the data has no causal graph.
    ValueError
        If its edges form a cycle.
    """
    adata = resolve_modality(data, mod)
    factors = read_result(adata, key, tool=Key.uns.CAUSAL_GRAPH, part="factors")["factors"]
    factors = factors.assign(factor=factors["factor"].astype(str)).set_index("factor")
    edges = get.causal_graph(adata, threshold=threshold, key=key)
    tested = min_stability is not None and "stability" in edges
    drawn = get.causal_graph(
        adata, threshold=threshold, top_n=top_n, min_stability=min_stability if tested else None, key=key
    )
    stable = get.causal_graph(adata, threshold=threshold, min_stability=min_stability if tested else None, key=key)
    n_edges = int((stable["weight"] != 0).sum())
    graph = _graph(factors, drawn, n_isolated)
    if not nx.is_directed_acyclic_graph(graph):
        msg = f"The edges in `adata.uns[{key!r}]` form a cycle, so that they have no causal order."
        raise ValueError(msg)
    width = min(PAGE_WIDTH, max(_NARROWEST, _PER_NODE * len(graph))) if figsize is None else figsize[0]
    if ax is not None:
        inches = ax.get_figure(root=True).dpi_scale_trans.inverted()  # type: ignore[union-attr]
        box = ax.get_window_extent().transformed(inches)
        width, figsize = box.width, (box.width, box.height)
    handles = _handles([weight for _, _, weight in graph.edges(data="weight")], has_nodes=len(graph) > 0)
    n_columns = legend_columns([str(handle.get_label()) for handle in handles], width)
    legend = _LEGEND + 1.2 * _LINE * (-(-len(handles) // n_columns) - 1)
    most = MAX_HEIGHT if figsize is None else figsize[1]
    for n_shown in range(n_targets + n_sets, -1, -1):
        # Labels of many factors have fewer lines, the sets first
        nodes, layout = _fit(factors, graph, min(n_targets, n_shown), max(n_shown - n_targets, 0), width)
        heights = [max(nodes[name].height for name in row) for row in layout.rows]
        if legend + 0.1 + sum(heights) + _GAP * len(heights) <= most:
            break
    note = ""
    if tested and len(edges) and not len(drawn):
        note = f"No stable edge: none is found again in {min_stability:.0%} of the halves of the cells"
    part = part_drawn((graph.number_of_edges(), n_edges, "edges"), (len(graph), len(factors), "factors"))
    note = textwrap.fill("; ".join(text for text in (note, part) if text), max(1, int(width / _CHARACTER)))
    margin = legend + 0.1 + (_LINE * (note.count("\n") + 1) + 0.1 if note else 0.0)
    if figsize is None:
        figsize = (width, min(MAX_HEIGHT, margin + sum(heights) + _GAP * max(0, len(heights) - 1)))
    with style():
        figure, axes = new_axes(ax, figsize)
        if ax is None:
            # Coordinates are inches of the figure, which the axes fill
            figure.set_layout_engine("none")
            axes.set_position((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(0, width), ylim=(-figsize[1], 0))
        axes.set_axis_off()
        gap = (figsize[1] - margin - sum(heights)) / max(1, len(heights) - 1)
        tops = -legend - np.cumsum([0.0, *(height + gap for height in heights[:-1])])
        _draw_edges(axes, graph, nodes, layout, tops, heights)
        for top, row in zip(tops, layout.rows, strict=True):
            for name in row:
                _draw_node(axes, name, nodes[name], layout.x[name], top)
        axes.legend(
            handles=handles, loc="upper left", ncols=n_columns, borderaxespad=0.4, handlelength=1.5, columnspacing=1.2
        )
        if note:
            axes.text(width / 2, -figsize[1] + 0.05, note, ha="center", va="bottom")
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _graph(factors: pd.DataFrame, edges: pd.DataFrame, n_isolated: int) -> nx.DiGraph:
    """Build the graph of the edges and of the isolated factors with the most perturbations."""
    graph = nx.DiGraph()
    edges = edges[edges["weight"] != 0]
    graph.add_weighted_edges_from(
        (str(source), str(target), float(weight))
        for source, target, weight in edges[["source", "target", "weight"]].itertuples(index=False)
    )
    isolated = factors.loc[~factors.index.isin(list(graph)), "n_targets"]
    isolated = isolated[isolated > 0].sort_values(ascending=False, kind="stable")
    graph.add_nodes_from(isolated.index[:n_isolated])
    return graph


def _fit(
    factors: pd.DataFrame, graph: nx.DiGraph, n_targets: int, n_sets: int, width: float
) -> tuple[dict[str, _Node], Layout]:
    """Choose the number of nodes per row and the length of their labels so that the graph fits on the page."""

    def arrange(max_nodes: int, n_characters: dict[str, int]) -> tuple[dict[str, _Node], Layout]:
        nodes = _nodes(factors, graph, n_targets, n_sets, n_characters)
        sizes = {name: node.width for name, node in nodes.items()}
        return nodes, layered_layout(graph, sizes, width=width, max_nodes=max_nodes)

    for max_nodes, base in _DENSITIES:
        nodes, layout = arrange(max_nodes, dict.fromkeys(graph, base))
        if min(layout.spare, default=0.0) >= 0:
            break
    # Rows with free width get longer labels than the most crowded row
    n_characters = {
        name: min(_DENSITIES[0][1], base + int(max(0.0, spare) / (_CHARACTER * len(row))))
        for row, spare in zip(layout.rows, layout.spare, strict=True)
        for name in row
    }
    return arrange(max_nodes, n_characters)


def _nodes(
    factors: pd.DataFrame, graph: nx.DiGraph, n_targets: int, n_sets: int, n_characters: dict[str, int]
) -> dict[str, _Node]:
    """Compute the radius and labels of each node, with at most the given numbers of characters per line."""
    low, high = _RADIUS
    largest = max(1, int(factors["n_targets"].max()))
    nodes = {}
    for name in graph:
        hit = [part for part in str(factors.loc[name, "targets"]).split(";") if part]
        sets = [part for part in str(factors.loc[name, "top_sets"]).split(";") if part][:n_sets]
        n_bold = int(n_characters[name] * _CHARACTER / _BOLD)
        # The area, not the radius, is linear in the number of perturbations
        radius = np.sqrt(low**2 + (high**2 - low**2) * len(hit) / largest)
        nodes[name] = _Node(
            radius=float(radius),
            targets=_target_lines(hit, n_targets, n_bold),
            sets=set_labels(sets, n_characters[name], abbreviate=True),
        )
    return nodes


def _target_lines(targets: list[str], n_targets: int, n_characters: int) -> list[str]:
    """Name as many of the perturbations as fit into three lines, and the number of the others."""
    lines: list[str] = []
    for n_named in range(min(n_targets, len(targets)), 0, -1):
        lines = textwrap.wrap(some_names(targets, n_named), n_characters, break_on_hyphens=False)
        if len(lines) <= 3:
            break
    return [shorten(line, n_characters) for line in lines[:3]]


def _draw_edges(
    ax: Axes, graph: nx.DiGraph, nodes: dict[str, _Node], layout: Layout, tops: np.ndarray, heights: list[float]
) -> None:
    """Draw the edges, the strongest on top."""
    strongest = max((abs(weight) for _, _, weight in graph.edges(data="weight")), default=1.0)
    row_of = {name: i for i, row in enumerate(layout.rows) for name in row}
    ports = _ports(graph, nodes, layout)
    for source, target, weight in sorted(graph.edges(data="weight"), key=lambda edge: abs(edge[2])):
        relative = abs(weight) / strongest
        x_start, x_end = ports[source, target]
        points = [(x_start, tops[row_of[source]] - nodes[source].height)]
        for row, x in layout.routes[source, target]:
            points += [(x, tops[row] + 0.02), (x, tops[row] - heights[row] - 0.02)]
        drop = np.sqrt(max(0.0, nodes[target].radius ** 2 - (x_end - layout.x[target]) ** 2))
        points.append((x_end, tops[row_of[target]] - nodes[target].radius + drop + 0.03))
        ax.add_patch(
            FancyArrowPatch(
                path=_smooth(points),
                arrowstyle="-|>,head_length=3,head_width=1.7" if weight > 0 else "|-|,widthA=0,widthB=2.4",
                color=BLUE if weight > 0 else VERMILLION,
                linewidth=0.6 + 1.9 * relative,
                alpha=0.45 + 0.5 * relative,
                shrinkA=0,
                shrinkB=0,
                mutation_scale=1.7,
                zorder=1,
                gid=f"{source}->{target}",
            )
        )


def _ports(graph: nx.DiGraph, nodes: dict[str, _Node], layout: Layout) -> dict[tuple[str, str], tuple[float, float]]:
    """Place the ends of each edge at its source and target, ordered so that edges do not cross there."""
    start: dict[tuple[str, str], float] = {}
    end: dict[tuple[str, str], float] = {}
    path = {
        (source, target): [layout.x[source], *(x for _, x in layout.routes[source, target]), layout.x[target]]
        for source, target in graph.edges
    }
    for name in graph:
        leaving = sorted(graph.out_edges(name), key=lambda edge: path[edge][1])
        arriving = sorted(graph.in_edges(name), key=lambda edge: path[edge][-2])
        for ports, edges, step, room in (
            (start, leaving, 0.1, 0.5),
            (end, arriving, 0.12, 1.7 * nodes[name].radius),
        ):
            step = min(step, room / max(1, len(edges) - 1))
            ports |= {edge: layout.x[name] + step * (i - (len(edges) - 1) / 2) for i, edge in enumerate(edges)}
    return {edge: (start[edge], end[edge]) for edge in graph.edges}


def _smooth(points: list[tuple[float, float]]) -> Path:
    """Make a curve through the points with a vertical tangent at each of them."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
        if x0 == x1:
            vertices.append((x1, y1))
            codes.append(Path.LINETO)
            continue
        middle = (y0 + y1) / 2.0
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)


def _draw_node(ax: Axes, name: str, node: _Node, x: float, top: float) -> None:
    y = top - node.radius
    ax.scatter(
        x, y, s=(2 * 72 * node.radius) ** 2, c="#F2F2F2", edgecolors="#333333", linewidths=0.8, zorder=2, gid=name
    )
    ax.text(x, y, name.removeprefix("factor_"), ha="center", va="center", fontsize=SMALL, zorder=4)
    y -= node.radius + 0.03
    for lines, look in ((node.targets, {"weight": "bold"}), (node.sets, {"color": "#444444"})):
        for line in lines:
            ax.text(x, y, line, ha="center", va="top", fontsize=SMALL, zorder=3, **look)  # type: ignore[arg-type]
            y -= _LINE


def _handles(weights: list[float], *, has_nodes: bool) -> list[Line2D]:
    """Make the entries of the legend."""
    handles = []
    if weights:
        strongest = max(map(abs, weights))
        handles = [
            Line2D([], [], color=BLUE, lw=1.8, label="raises (arrow)"),
            Line2D([], [], color=VERMILLION, lw=1.8, label="lowers (bar)"),
            Line2D([], [], color=GREY, lw=2.5, label=f"weight \N{PLUS-MINUS SIGN}{strongest:.2g}"),
            Line2D([], [], color=GREY, lw=0.6 + 1.9 * 0.25, label=f"\N{PLUS-MINUS SIGN}{0.25 * strongest:.2g}"),
        ]
    if has_nodes:
        dot = {"marker": "o", "ls": "", "markerfacecolor": "#F2F2F2", "markeredgecolor": "#333333"}
        handles.append(Line2D([], [], markersize=7, label="factor (size: perturbations)", **dot))  # type: ignore[arg-type]
    return handles
