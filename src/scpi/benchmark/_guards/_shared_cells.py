"""Cells on both sides of a split: identical cells, copies of them, and controls that are used twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._screen._matrix import as_dense
from scpi.benchmark._guards._finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scpi.benchmark._guards._audited import Audited

    Places = NDArray[np.int64]

# Expected number of pairs of different cells that are equal by chance
_CHANCE = 1e-6
_MAX_CANDIDATES = 200
_MAX_CELLS = 2000
_N_DIRECTIONS = 64
_N_NEIGHBOURS = 10
# Distance of a candidate over that of the other neighbours
_RATIO = 0.5
# Difference of two cells over that of two draws from the same rates, which is 1 for different cells, and more where rates differ
_NOISE = 0.3
_FEWEST_GENES = 20
_FEWEST_COPIES = 2
_BLOCK = 4096


def shared_cells(audited: Audited) -> Iterator[Finding]:
    """Cells that are both training and test cells, and reference controls that are also used otherwise."""
    both = np.intersect1d(audited.test, audited.train)
    if len(both):
        evidence = f"{len(both)} of {len(audited.test)} test cells are training cells, such as {audited.named(both)}."
        yield Finding("test cells in training", "high", len(both), "", evidence)
    split = audited.split
    shared = np.intersect1d(split.reference, np.union1d(split.start, audited.train))
    if len(shared):
        evidence = (
            f"{len(shared)} of {len(split.reference)} reference controls are also used for training or predictions: "
            "the noise of their mean is in both changes."
        )
        yield Finding("shared controls", "medium", len(shared), "", evidence)


def copied_cells(audited: Audited) -> Iterator[Finding]:
    """Test cells with the counts of a training cell, or nearly so."""
    test, train = np.setdiff1d(audited.test, audited.train), np.setdiff1d(audited.train, audited.test)
    if not len(test) or not len(train):
        return
    copies, originals = copies_of(audited.counts, test, train)
    if len(copies):
        evidence = (
            f"{len(copies)} of {len(test)} test cells have the expression of a training cell: {audited.named(copies, 1)} that of "
            f"{audited.named(originals, 1)}."
        )
        yield Finding("duplicated cells", "high", len(copies), "", evidence)
    rng = np.random.default_rng(audited.seed)
    drawn = np.sort(rng.permutation(np.setdiff1d(test, copies))[:_MAX_CELLS])
    near, beside = near_neighbours(audited.x, drawn, train, rng)
    noise = counting_noise(audited.counts, near, beside)
    close = noise < _NOISE
    if close.sum() >= _FEWEST_COPIES:
        near, beside, noise = near[close], beside[close], noise[close]
        evidence = (
            f"{len(near)} of {len(drawn)} test cells are nearly a training cell: {audited.named(near, 1)} differs from "
            f"{audited.named(beside, 1)} by {noise[0]:.2f} of what counting noise alone makes."
        )
        yield Finding("near-duplicated cells", "high", len(near), "", evidence)


def copies_of(x: Any, test: Places, train: Places) -> tuple[Places, Places]:
    """Test cells whose row is that of a training cell, and one such cell for each, unless chance explains it."""
    weights = np.random.default_rng(0).standard_normal(x.shape[1])
    code_test, code_train = (np.asarray(x[cells].astype(np.float64) @ weights).ravel() for cells in (test, train))
    order = np.argsort(code_train, kind="stable")
    at = np.minimum(np.searchsorted(code_train[order], code_test), len(train) - 1)
    alike = np.flatnonzero(code_train[order[at]] == code_test)
    found = [
        (test[place], train[order[at[place]]]) for place in alike if _is_same(x, test[place], train[order[at[place]]])
    ]
    if not found:
        return test[:0], train[:0]
    copies, originals = (np.array(cells, dtype=np.int64) for cells in zip(*found, strict=True))
    surprise = surprises(x, copies[:_MAX_CANDIDATES])
    is_copy = np.ones(len(copies), dtype=bool)
    is_copy[: len(surprise)] = surprise > np.log(float(len(test)) * len(train) / _CHANCE)
    # With many, a sample is enough
    is_copy[len(surprise) :] = is_copy[: len(surprise)].all()
    return copies[is_copy], originals[is_copy]


def surprises(x: Any, cells: Places) -> NDArray[np.float64]:
    """Negative logarithm of the probability that a cell has a row, from how often each gene has the value."""
    rows = as_dense(x[cells])
    found = np.zeros(len(cells))
    columns = sparse.csc_matrix(x) if sparse.issparse(x) else None
    n = x.shape[0]
    for gene in range(x.shape[1]):
        if columns is None:
            values, counts = np.unique(np.asarray(x[:, gene]), return_counts=True)
        else:
            stored = columns.data[columns.indptr[gene] : columns.indptr[gene + 1]]
            values, counts = np.unique(np.append(stored, np.zeros(1, stored.dtype)), return_counts=True)
            counts[np.searchsorted(values, 0)] += n - len(stored) - 1
        found -= np.log(np.maximum(counts, 1)[np.searchsorted(values, rows[:, gene])] / n)
    return found


def _is_same(x: Any, first: int, second: int) -> bool:
    return bool(np.array_equal(as_dense(x[[first]]), as_dense(x[[second]])))


def near_neighbours(x: Any, test: Places, train: Places, rng: np.random.Generator) -> tuple[Places, Places]:
    """Test cells with at most half of the distance to one training cell as to other neighbours, and that cell.

    Neighbours are searched for in random projections, and distances are computed on all genes. Equal cells are
    excluded.
    """
    found: list[tuple[int, int]] = []
    if len(train) > _N_NEIGHBOURS:
        directions = rng.standard_normal((x.shape[1], _N_DIRECTIONS))
        of_train = np.concatenate(
            [np.asarray(x[train[start : start + _BLOCK]] @ directions) for start in range(0, len(train), _BLOCK)]
        )
        length = np.square(of_train).sum(1)
        for start in range(0, len(test), _BLOCK // 8):
            cells = test[start : start + _BLOCK // 8]
            squared = length - 2.0 * (np.asarray(x[cells] @ directions) @ of_train.T)
            nearest = np.argpartition(squared, _N_NEIGHBOURS, axis=1)[:, :_N_NEIGHBOURS]
            found += [
                (int(cell), int(train[places[closest]]))
                for cell, places in zip(cells, nearest, strict=True)
                if (closest := _closest(x, cell, train[places])) is not None
            ]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _closest(x: Any, cell: int, others: Places) -> int | None:
    """Position of a cell that is much closer than the others; ``None`` without one."""
    distance = np.sqrt(np.square(as_dense(x[others], np.float64) - as_dense(x[[cell]], np.float64)).sum(1))
    closest = int(distance.argmin())
    typical = float(np.median(np.delete(distance, closest)))
    return closest if 0 < distance[closest] < _RATIO * typical else None


def counting_noise(counts: Any, first: Places, second: Places) -> NDArray[np.float64]:
    """Difference of the counts of pairs of cells, relative to independent draws from the same rates, which have 1.

    Counts of log-transformed data are the multiples of the smallest value of a cell. Infinite if a pair expresses fewer
    than 20 genes.
    """
    found = np.full(len(first), np.inf)
    for row, pair in enumerate(zip(first, second, strict=True)):
        x, y = (_as_counts(as_dense(counts[[cell]], np.float64)[0]) for cell in pair)
        total = x + y
        seen = total > 0
        if seen.sum() >= _FEWEST_GENES:
            found[row] = (np.square(x - y)[seen] / total[seen]).mean()
    return found


def _as_counts(row: NDArray[np.float64]) -> NDArray[np.float64]:
    if (row == np.rint(row)).all():
        return row
    linear = np.expm1(row)
    return np.asarray(np.rint(linear / linear[linear > 0].min(initial=np.inf)))
