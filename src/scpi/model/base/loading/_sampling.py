"""Samplings of batches from a set of cells: a family of models chooses one of these and its options."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scpi._screen._stored_rows import StoredRows
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._samplers import (
    CellSampler,
    ControlSampler,
    PairSampler,
    StoredCellSampler,
    StoredControlSampler,
    StoredPairSampler,
    windows_of,
)
from scpi.model.base.loading._transport import pair_conditions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch.utils.data import Sampler

    from scpi.model.base.loading._dataset import CellBatch
    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.base.loading._transport import CellPairs


# Cells that are read at once where they are not in memory
N_TOGETHER = 16_384
# Cells of a part of validation cells, however few controls a stratum has
_LEAST_PART = 8


class Sampling(Protocol):
    """Samples batches of cells of a splitter, as positions, with separate options."""

    def __call__(self, splitter: CellSplitter, cells: NDArray[np.int64], *, train: bool) -> Sampler[CellBatch] | None:
        """Sampler of the training cells, or of validation or test cells; ``None`` if there are too few of these."""


class Matching(Protocol):
    """Function that matches cells."""

    def __call__(self, splitter: CellSplitter, cells: NDArray[np.int64]) -> CellPairs:
        """Pairs of some cells."""


def single_cells(
    splitter: CellSplitter, cells: NDArray[np.int64], *, train: bool, batch_size: int = 128, shuffle: bool = True
) -> CellSampler | None:
    """Sample single cells of all conditions: a :class:`Sampling`.

    There are at most ``batch_size`` cells in a batch. With ``shuffle``, the batches of training cells differ between
    epochs. Cells that are not in memory are read in runs of consecutive rows.
    """
    if len(cells) < 2 and not train:
        return None
    options: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle and train, "seed": splitter.seed}
    x = splitter.dataset.x
    if isinstance(x, StoredRows):
        return StoredCellSampler(cells, run=x.run, n_together=N_TOGETHER, **options)
    return CellSampler(cells, **options)


def controls_alongside(
    splitter: CellSplitter, cells: NDArray[np.int64], *, train: bool, n_cells: int = 32, n_parts: int = 8
) -> ControlSampler | None:
    """Sample perturbed cells of several conditions, with controls of their batch and context: a :class:`Sampling`.

    A batch has at most ``n_parts`` parts, each with at most ``n_cells`` cells of one condition. If conditions have on
    average fewer than half as many training cells, parts are halved repeatedly, and a batch has twice as many:
    otherwise, padding would add controls without a comparison. Parts of validation and test cells have at most as many
    cells as the rarest stratum has controls, or eight, so that no control is drawn twice.
    """
    is_control = splitter.is_control(cells)
    perturbed, controls = cells[~is_control], cells[is_control]
    if not len(perturbed) or not len(controls):
        return None
    conditions = splitter.conditions_of(perturbed)
    trained = splitter.train_idx[~splitter.is_control(splitter.train_idx)]
    groups = np.stack([_windows(splitter, trained, train=True), splitter.conditions_of(trained)])
    mean_size = len(trained) / np.unique(groups, axis=1).shape[1]
    while n_cells >= 2 * max(mean_size, 2):
        n_cells, n_parts = n_cells // 2, n_parts * 2
    if not train:
        # A control that occurs twice in a part has distance 0 from itself, which biases the unbiased discrepancy
        rarest = int(np.unique(splitter.strata[controls], return_counts=True)[1].min())
        n_cells = min(n_cells, max(rarest, _LEAST_PART))
    x = splitter.dataset.x
    sampler = partial(StoredControlSampler, run=x.run) if isinstance(x, StoredRows) else ControlSampler
    return sampler(
        perturbed,
        conditions,
        controls,
        perturbed_strata=splitter.strata[perturbed],
        control_strata=splitter.strata[controls],
        windows=_windows(splitter, perturbed, train=train),
        n_cells=n_cells,
        n_parts=n_parts,
        shuffle=train,
        seed=splitter.seed,
    )


def _windows(splitter: CellSplitter, perturbed: NDArray[np.int64], *, train: bool) -> NDArray[np.int64]:
    """Window of each perturbed cell; a single window if cells are in memory."""
    x = splitter.dataset.x
    if not isinstance(x, StoredRows):
        return np.zeros(len(perturbed), dtype=np.int64)
    # Half of what is read at once are controls
    rng = np.random.default_rng(splitter.seed) if train else None
    return windows_of(perturbed, run=x.run, n_cells=N_TOGETHER // 2, rng=rng)


def matched_pairs(
    splitter: CellSplitter,
    cells: NDArray[np.int64],
    *,
    train: bool,
    match: Matching,
    batch_size: int = 128,
    all_pairs: bool = True,
) -> PairSampler | StoredPairSampler | None:
    """Sample pairs of cells found by ``match``, such as :func:`match_by_transport`: a :class:`Sampling`.

    There are at most ``batch_size`` pairs in a batch. With ``all_pairs``, an epoch uses all training pairs; otherwise,
    as many random pairs as there are distinct cells on the larger side. Cells that are paired with themselves need not
    be in memory, and are then read in runs of consecutive rows.

    Raises
    ------
    ValueError
        If the training cells have no pairs, or no perturbed cell is matched.
    """
    pairs = match(splitter, cells)
    if train and (len(pairs.target) < 2 or splitter.is_control(pairs.target).all()):
        msg = (
            "No context has control and treated cells in the training set, so that none can be paired by optimal "
            "transport: training needs a context with both."
        )
        raise ValueError(msg)
    if len(pairs.target) < 2:
        return None
    x = splitter.dataset.x
    if isinstance(x, StoredRows):
        # For cells matched by transport, an error was raised before
        options: dict[str, Any] = {"batch_size": batch_size, "shuffle": train, "seed": splitter.seed}
        return StoredPairSampler(pairs.source, run=x.run, n_together=N_TOGETHER, **options)
    n_drawn = None if all_pairs or not train else max(len(np.unique(side)) for side in pairs)
    return PairSampler(pairs, n_drawn=n_drawn, batch_size=batch_size, shuffle=train, seed=splitter.seed)


def match_by_transport(
    splitter: CellSplitter,
    cells: NDArray[np.int64],
    *,
    x: Any = None,
    within: Sequence[str] = (KEYS.BATCH, KEYS.CONTEXT),
    each: str = "control",
    **kwargs: Any,
) -> CellPairs:
    """Match controls with perturbed cells of their stratum by optimal transport, condition by condition.

    Each ``"control"`` is paired with a perturbed cell of every condition, or each ``"treated"`` cell with a control,
    among cells with the same values of the registered fields ``within``. ``x`` is the expression of all cells to
    compare, the registered one if ``None``. Further arguments are those of
    :func:`~scpi.model.base.loading._transport.pair_by_stratum`.

    Raises
    ------
    NotImplementedError
        If the expression is not in memory.
    """
    if isinstance(splitter.dataset.x, StoredRows):
        msg = (
            "Optimal transport compares every control with every perturbed cell of its condition, so that cells have to "
            "be in memory to train: load the data with `adata.to_memory()` first."
        )
        raise NotImplementedError(msg)
    is_control = splitter.is_control(cells)
    return pair_conditions(
        splitter.dataset.x if x is None else x,
        cells[is_control],
        cells[~is_control],
        splitter.conditions_of(cells[~is_control]),
        splitter.strata_of(within),
        each=each,
        rng=np.random.default_rng(splitter.seed),
        **kwargs,
    )
