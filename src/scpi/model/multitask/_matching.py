"""Inputs and decoding targets of the multi-task autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from scpi._screen._expression import log_normalised, row_sums
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._sampling import match_by_transport
from scpi.model.base.loading._transport import CellPairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.multitask._presets import PairEach


def match_tasks(
    splitter: CellSplitter,
    cells: NDArray[np.int64],
    *,
    target: Literal["self", "ot"] = "self",
    each: PairEach = "treated",
    counts: bool = False,
) -> CellPairs:
    """Pairs of a cell to read and a cell to decode it into.

    For the target ``"self"`` every cell with itself. For ``"ot"`` every control with itself, and the pairs of optimal
    transport between the controls and the cells of each condition, within batch and context: a treated cell of every
    condition for each ``"control"``, or a control for each ``"treated"`` cell. Of counts, the logarithms are compared.
    """
    if target == "self":
        return CellPairs(cells, cells)
    x = splitter.dataset.x
    if counts:
        size = splitter.registered(KEYS.SIZE_FACTOR)
        depth = None if size is None else size.astype(np.float64) * training_depth_per_size(splitter)
        x = log_normalised(x, depth)
    source, matched = match_by_transport(splitter, cells, x=x, each=each)
    control = cells[splitter.is_control(cells)]
    return CellPairs(np.concatenate([control, source]), np.concatenate([control, matched]))


def training_depth_per_size(splitter: CellSplitter) -> float:
    """Counts that a size factor of 1 stands for in the training cells; 1 without size factors."""
    size = splitter.registered(KEYS.SIZE_FACTOR)
    if size is None:
        return 1.0
    n_counts = max(float(row_sums(splitter.dataset.x)[splitter.train_idx].sum()), 1.0)
    return n_counts / float(np.sum(size[splitter.train_idx], dtype=np.float64))
