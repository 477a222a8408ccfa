"""Layered layout of a directed acyclic graph: each node is below its causes, and long edges are routed around nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from scipy.optimize import isotonic_regression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

# Width of an edge that passes through a row
_CORRIDOR = 0.2
_SWEEPS = 24


@dataclass(frozen=True)
class Layout:
    """Rows of the graph from top to bottom, and horizontal coordinates of nodes and edges."""

    rows: list[list[Any]]
    """Nodes of each row from left to right."""
    x: dict[Any, float]
    """Horizontal coordinate of the centre of each node."""
    routes: dict[tuple[Any, Any], list[tuple[int, float]]]
    """Rows that an edge passes between its source and target, with its horizontal coordinate in each."""
    spare: list[float]
    """Width of the page minus the total width of the nodes and edges of each row; negative if they overlap."""


def layered_layout(graph: nx.DiGraph, sizes: Mapping[Any, float], *, width: float, max_nodes: int = 5) -> Layout:
    """Arrange the nodes so that edges point down, few of them cross and none passes behind a node.

    The method is that of Sugiyama, Tagawa and Toda (IEEE Trans. Syst. Man Cybern. 11, 1981). Nodes are assigned to rows
    by depth, with a corridor in each row that an edge passes. Repeated sweeps order each row by the mean position of the
    neighbours. Coordinates are then as close to those of the neighbours as the order and the widths allow.

    Parameters
    ----------
    graph
        Directed acyclic graph.
    sizes
        Width of each node.
    width
        Width of the page, in the same unit.
    max_nodes
        Maximum number of nodes per row.

    Returns
    -------
    The layout.
    """
    connected = [node for node in nx.lexicographical_topological_sort(graph, key=str) if graph.degree(node)]
    depth = _depths(graph, connected, max_nodes)
    rows: list[list[Any]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in connected:
        rows[depth[node]].append(node)
    routed = nx.Graph()
    corridors: dict[tuple[Any, Any], list[Any]] = {}
    for source, target in graph.edges:
        passed = [("corridor", source, target, row) for row in range(depth[source] + 1, depth[target])]
        corridors[source, target] = passed
        for corridor in passed:
            rows[corridor[3]].append(corridor)
        nx.add_path(routed, [source, *passed, target])
    widths = {item: sizes.get(item, _CORRIDOR) for row in rows for item in row}
    rows = _fewer_crossings(routed, rows)
    x = _coordinates(routed, rows, widths, width)
    isolated = [node for node in graph if not graph.degree(node)]
    for start in range(0, len(isolated), max_nodes):
        row = isolated[start : start + max_nodes]
        rows.append(row)
        x.update({node: width * (i + 0.5) / len(row) for i, node in enumerate(row)})
    return Layout(
        rows=[[item for item in row if item in graph] for row in rows],
        x={node: x[node] for node in graph},
        spare=[width - sum(sizes.get(item, _CORRIDOR) for item in row) for row in rows],
        routes={edge: [(item[3], x[item]) for item in passed] for edge, passed in corridors.items()},
    )


def _depths(graph: nx.DiGraph, nodes: Iterable[Any], max_nodes: int) -> dict[Any, int]:
    """Assign each node to the first row below all of its causes that has fewer than `max_nodes` nodes."""
    depth: dict[Any, int] = {}
    n_nodes: dict[int, int] = {}
    for node in nodes:
        row = 1 + max((depth[cause] for cause in graph.predecessors(node)), default=-1)
        while n_nodes.get(row, 0) >= max_nodes:
            row += 1
        depth[node] = row
        n_nodes[row] = n_nodes.get(row, 0) + 1
    # Nodes without a cause move down to just above their effects, which shortens their edges
    for node in sorted(depth, key=lambda name: -depth[name]):
        lowest = min((depth[effect] for effect in graph.successors(node)), default=0) - 1
        while lowest > depth[node] and n_nodes.get(lowest, 0) >= max_nodes:
            lowest -= 1
        if lowest > depth[node] and not any(graph.predecessors(node)):
            n_nodes[depth[node]] -= 1
            n_nodes[lowest] = n_nodes.get(lowest, 0) + 1
            depth[node] = lowest
    number = {row: i for i, row in enumerate(sorted(set(depth.values())))}
    return {node: number[row] for node, row in depth.items()}


def _crossings(routed: nx.Graph, rows: list[list[Any]]) -> int:
    """Count the pairs of edges that cross between adjacent rows."""
    count = 0
    for upper, lower in zip(rows[:-1], rows[1:], strict=True):
        position = {item: i for i, item in enumerate(lower)}
        ends = [sorted(position[other] for other in routed[item] if other in position) for item in upper]
        seen: list[int] = []
        for below in ends:
            count += sum(earlier > end for end in below for earlier in seen)
            seen += below
    return count


def _fewer_crossings(routed: nx.Graph, rows: list[list[Any]]) -> list[list[Any]]:
    """Order each row by the mean position of the neighbours in the adjacent row, in alternating sweeps."""
    position = {item: (i + 0.5) / len(row) for row in rows for i, item in enumerate(row)}
    best, fewest = [list(row) for row in rows], _crossings(routed, rows)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for i in range(len(rows)) if down else range(len(rows) - 1, -1, -1):
            neighbour = i - 1 if down else i + 1
            if not 0 <= neighbour < len(rows):
                continue
            fixed = set(rows[neighbour])
            target = {}
            for item in rows[i]:
                positions = [position[other] for other in routed[item] if other in fixed]
                target[item] = float(np.mean(positions)) if positions else position[item]
            rows[i] = sorted(rows[i], key=target.__getitem__)
            position.update({item: (j + 0.5) / len(rows[i]) for j, item in enumerate(rows[i])})
        crossings = _crossings(routed, rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _coordinates(
    routed: nx.Graph, rows: list[list[Any]], widths: Mapping[Any, float], width: float
) -> dict[Any, float]:
    """Compute coordinates close to those of the neighbours, in the given order and without overlap."""
    x: dict[Any, float] = {}
    offsets: list[NDArray[np.float64]] = []
    for row in rows:
        sizes = np.array([widths[item] for item in row])
        sizes *= min(1.0, width / sizes.sum())
        offsets.append(np.cumsum(sizes) - sizes / 2.0)
        spread = (width - sizes.sum()) / len(row)
        x.update(zip(row, offsets[-1] + spread * (np.arange(len(row)) + 0.5), strict=True))
    for sweep in range(_SWEEPS):
        for row, offset in zip(
            rows[:: 1 if sweep % 2 == 0 else -1], offsets[:: 1 if sweep % 2 == 0 else -1], strict=True
        ):
            target = np.array([np.mean([x[other] for other in routed[item]]) for item in row])
            # The closest coordinates in this order whose distances are at least those of the offsets
            moved = isotonic_regression(target - offset).x
            last = widths[row[-1]] / 2.0
            moved = np.clip(moved, 0.0, max(0.0, width - offset[-1] - last))
            x.update(zip(row, moved + offset, strict=True))
    return x
