"""Stream of batches of cells, with their baselines and the explanations of their outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from scipy import sparse

from scpi._rng import as_generator
from scpi._screen._stored_rows import read_ahead
from scpi._slots import listed
from scpi.attribution._checks import check_positive
from scpi.attribution._methods._method import Batch
from scpi.attribution._registry import find
from scpi.attribution._space import N_TRIED, Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from scpi.attribution._methods._method import Method, Slopes, Values
    from scpi.attribution._target import AttributionTarget

Baseline = Literal["zero", "mean", "rest", "cells"]

# Maximum size of a batch, cells x genes or outputs x cells x coordinates; larger ones are not faster
_NUMBERS = 1 << 21
_MOST_CELLS = 4096
# Number of cells in a pool from which expected gradients draw
_POOL = 200


@dataclass(frozen=True)
class Question:
    """The outputs of the cells to explain, and the method."""

    target: AttributionTarget
    x: Any
    codes: NDArray[np.intp]
    """Group of each cell; negative if the cell is left out."""
    outputs: Sequence[Sequence[int]]
    """Outputs of each group."""
    method: str
    baseline: ArrayLike | str | None
    batch_size: int | None
    device: str | torch.device | None
    rng: int | np.random.Generator | None
    options: dict[str, Any]


def stream(question: Question) -> Iterator[tuple[int, NDArray[np.intp], Slopes | Values]]:
    """Explain the cells group by group; yield the group, the positions of some of its cells, and their explanation."""
    method = find(question.method, question.options)
    if question.batch_size is not None:
        check_positive(batch_size=question.batch_size)
    x, codes = question.x, question.codes
    space, rng = Space(question.target, question.device), as_generator(question.rng)
    included = np.flatnonzero(codes >= 0)
    space.check(space.read(x[included[:N_TRIED]]), len(question.target.names))
    n_coordinates = space.n_coordinates or x.shape[1]
    baselines = _Baselines(method, question, space, rng)
    for group, outputs in enumerate(question.outputs):
        cells = np.flatnonzero(codes == group)
        if not len(cells):
            continue
        baseline = baselines.of_group(group)
        width = max(x.shape[1], len(outputs) * n_coordinates)
        for rows in read_ahead(x, batches(cells, question.batch_size, width)):
            batch = Batch(space, space.read(take(x, rows)), outputs, baseline, rng)
            yield group, rows, method.attribute(batch, **question.options)


def take(x: Any, rows: NDArray[np.intp]) -> Any:
    """Select rows of a matrix, as a view if they are consecutive."""
    if rows[-1] - rows[0] + 1 == len(rows):
        return x[int(rows[0]) : int(rows[-1]) + 1]
    return x[rows]


def cells_at_a_time(width: int, numbers: int) -> int:
    """Compute the number of cells in a batch of at most `numbers` numbers, with `width` per cell."""
    return min(max(numbers // max(width, 1), 1), _MOST_CELLS)


def batches(cells: NDArray[np.intp], size: int | None, width: int = 1) -> Iterator[NDArray[np.intp]]:
    """Yield cells, at most `size` at a time; if `None`, as many as suit the memory with `width` numbers per cell."""
    size = size or cells_at_a_time(width, _NUMBERS)
    for start in range(0, len(cells), size):
        yield cells[start : start + size]


class _Baselines:
    """Baselines of each group, in the input space of the function."""

    def __init__(self, method: Method, question: Question, space: Space, rng: np.random.Generator) -> None:
        codes, baseline = question.codes, question.baseline
        self._space, self._x, self._codes, self._rng, self._size = space, question.x, codes, rng, question.batch_size
        self._kind: str | None = method.baseline
        self._draws = method.baseline == "cells"
        self._rows: Tensor | None = None
        n_groups = int(codes.max()) + 1
        if baseline is not None and method.baseline is None:
            msg = f"{method.name!r} has no baseline: leave `baseline` out."
            raise ValueError(msg)
        if isinstance(baseline, str):
            known = ("zero", "rest", "cells") if self._draws else ("zero", "mean", "rest")
            if baseline not in known:
                msg = f"`baseline` of {method.name!r} must be an array or one of {listed(known)}, but is {baseline!r}."
                raise ValueError(msg)
            self._kind = baseline
        elif baseline is not None:
            self._kind, self._rows = None, self._given(baseline, n_groups)
        if self._kind == "rest" and len(np.unique(codes[codes >= 0])) < 2:
            msg = "With one group of cells there is no rest to be the baseline."
            raise ValueError(msg)
        if self._kind in {"mean", "rest"} and not self._draws:
            self._rows = self._means(n_groups)

    def of_group(self, group: int) -> Tensor:
        if self._kind in {"cells", "rest"} and self._draws:
            allowed = (self._codes >= 0) & ((self._codes != group) | (self._kind == "cells"))
            rows = np.flatnonzero(allowed)
            drawn = rows if len(rows) <= _POOL else np.sort(self._rng.choice(rows, _POOL, replace=False))
            return self._space.read(take(self._x, drawn))
        if self._rows is None:
            return torch.zeros((1, 1), dtype=self._space.dtype, device=self._space.device).expand(1, self._width)
        if self._draws or len(self._rows) == 1:
            return self._rows
        return self._rows[group : group + 1]

    @property
    def _width(self) -> int:
        return self._space.read(self._x[:1]).shape[1]

    def _given(self, baseline: ArrayLike | str, n_groups: int) -> Tensor:
        rows = np.atleast_2d(np.asarray(baseline, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != self._width or not (self._draws or len(rows) in {1, n_groups}):
            many = "any number of rows" if self._draws else f"one row or one for each of {n_groups} groups"
            msg = f"`baseline` must have {self._width} genes and {many}, but is of shape {np.shape(baseline)}."
            raise ValueError(msg)
        if not np.isfinite(rows).all():
            msg = "`baseline` has NaN or infinite values."
            raise ValueError(msg)
        return torch.from_numpy(rows).to(device=self._space.device, dtype=self._space.dtype)

    def _means(self, n_groups: int) -> Tensor:
        """Compute the mean input of all cells, or for each group that of the cells of all other groups."""
        total = np.zeros((n_groups, self._width))
        included = np.flatnonzero(self._codes >= 0)
        for rows in read_ahead(self._x, batches(included, self._size, self._x.shape[1])):
            place = (self._codes[rows], np.arange(len(rows)))
            member = sparse.csr_matrix((np.ones(len(rows)), place), shape=(n_groups, len(rows)))
            total += member @ self._space.read(take(self._x, rows)).cpu().numpy()
        size = np.bincount(self._codes[included], minlength=n_groups)[:, None]
        if self._kind == "mean":
            mean = total.sum(axis=0, keepdims=True) / size.sum()
        else:
            mean = (total.sum(axis=0) - total) / (size.sum() - size)
        return torch.from_numpy(mean).to(device=self._space.device, dtype=self._space.dtype)
