"""Layered layout of a directed acyclic graph: every node below all of its causes, long edges led around the nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from scipy.optimize import isotonic_regression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

# Room that an edge takes where it passes through a row
_CORRIDOR = 0.2
_SWEEPS = 24


@dataclass(frozen=True)
class Layout:
    """Rows of the graph from top to bottom, and where everything stands across the page."""

    rows: list[list[Any]]
    """Nodes of each row from left to right."""
    x: dict[Any, float]
    """Place of the centre of each node."""
    routes: dict[tuple[Any, Any], list[tuple[int, float]]]
    """Rows that an edge passes on its way from source to target, and where."""
    spare: list[float]
    """Width of each row that its nodes and edges leave free; negative where they have to move together."""


def layered_layout(graph: nx.DiGraph, sizes: Mapping[Any, float], *, width: float, max_nodes: int = 5) -> Layout:
    """Arrange the nodes so that edges point down, few of them cross and none passes behind a node.

    This is the method of Sugiyama, Tagawa and Toda (IEEE Trans. Syst. Man Cybern. 11, 1981): rows by depth, with
    corridors for the edges that pass a row; an order within the rows by repeated sweeps that move everything to the
    mean place of its neighbours; and places as near to the neighbours as order and sizes allow.

    Parameters
    ----------
    graph
        A directed acyclic graph.
    sizes
        Width that each node needs.
    width
        Width of the page, in the same unit.
    max_nodes
        Most nodes in a row.

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
    room = {item: sizes.get(item, _CORRIDOR) for row in rows for item in row}
    rows = _fewer_crossings(routed, rows)
    x = _places(routed, rows, room, width)
    alone = [node for node in graph if not graph.degree(node)]
    for start in range(0, len(alone), max_nodes):
        row = alone[start : start + max_nodes]
        rows.append(row)
        x.update({node: width * (i + 0.5) / len(row) for i, node in enumerate(row)})
    return Layout(
        rows=[[item for item in row if item in graph] for row in rows],
        x={node: x[node] for node in graph},
        spare=[width - sum(sizes.get(item, _CORRIDOR) for item in row) for row in rows],
        routes={edge: [(item[3], x[item]) for item in passed] for edge, passed in corridors.items()},
    )


def _depths(graph: nx.DiGraph, nodes: Iterable[Any], max_nodes: int) -> dict[Any, int]:
    """Row of each node: the first one below all of its causes that has room."""
    depth: dict[Any, int] = {}
    taken: dict[int, int] = {}
    for node in nodes:
        row = 1 + max((depth[cause] for cause in graph.predecessors(node)), default=-1)
        while taken.get(row, 0) >= max_nodes:
            row += 1
        depth[node] = row
        taken[row] = taken.get(row, 0) + 1
    # A cause whose effects are all far below moves down to them, which shortens its edges
    for node in sorted(depth, key=lambda name: -depth[name]):
        lowest = min((depth[effect] for effect in graph.successors(node)), default=0) - 1
        while lowest > depth[node] and taken.get(lowest, 0) >= max_nodes:
            lowest -= 1
        if lowest > depth[node] and not any(graph.predecessors(node)):
            taken[depth[node]] -= 1
            taken[lowest] = taken.get(lowest, 0) + 1
            depth[node] = lowest
    used = {row: i for i, row in enumerate(sorted(set(depth.values())))}
    return {node: used[row] for node, row in depth.items()}


def _crossings(routed: nx.Graph, rows: list[list[Any]]) -> int:
    count = 0
    for upper, lower in zip(rows[:-1], rows[1:], strict=True):
        place = {item: i for i, item in enumerate(lower)}
        ends = [sorted(place[other] for other in routed[item] if other in place) for item in upper]
        seen: list[int] = []
        for below in ends:
            count += sum(earlier > end for end in below for earlier in seen)
            seen += below
    return count


def _fewer_crossings(routed: nx.Graph, rows: list[list[Any]]) -> list[list[Any]]:
    place = {item: (i + 0.5) / len(row) for row in rows for i, item in enumerate(row)}
    best, fewest = [list(row) for row in rows], _crossings(routed, rows)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for i in range(len(rows)) if down else range(len(rows) - 1, -1, -1):
            neighbour = i - 1 if down else i + 1
            if not 0 <= neighbour < len(rows):
                continue
            fixed = set(rows[neighbour])
            wanted = {}
            for item in rows[i]:
                found = [place[other] for other in routed[item] if other in fixed]
                wanted[item] = float(np.mean(found)) if found else place[item]
            rows[i] = sorted(rows[i], key=wanted.__getitem__)
            place.update({item: (j + 0.5) / len(rows[i]) for j, item in enumerate(rows[i])})
        crossings = _crossings(routed, rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _places(routed: nx.Graph, rows: list[list[Any]], room: Mapping[Any, float], width: float) -> dict[Any, float]:
    """Place everything near its neighbours, in the given order and without overlap."""
    x: dict[Any, float] = {}
    offsets: list[NDArray[np.float64]] = []
    for row in rows:
        sizes = np.array([room[item] for item in row])
        sizes *= min(1.0, width / sizes.sum())
        offsets.append(np.cumsum(sizes) - sizes / 2.0)
        spread = (width - sizes.sum()) / len(row)
        x.update(zip(row, offsets[-1] + spread * (np.arange(len(row)) + 0.5), strict=True))
    for sweep in range(_SWEEPS):
        for row, offset in zip(
            rows[:: 1 if sweep % 2 == 0 else -1], offsets[:: 1 if sweep % 2 == 0 else -1], strict=True
        ):
            wanted = np.array([np.mean([x[other] for other in routed[item]]) for item in row])
            # The nearest places in this order, at least as far from each other as the sizes ask for
            moved = isotonic_regression(wanted - offset).x
            last = room[row[-1]] / 2.0
            moved = np.clip(moved, 0.0, max(0.0, width - offset[-1] - last))
            x.update(zip(row, moved + offset, strict=True))
    return x
