"""How a splitter makes batches of a set of cells: a family of models chooses one of these and its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scpi._screen._stored_rows import StoredRows
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._samplers import CellSampler, ControlSampler, PairSampler, StoredCellSampler
from scpi.model.base.loading._transport import pair_conditions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch.utils.data import Sampler

    from scpi.model.base.loading._dataset import CellBatch
    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.base.loading._transport import CellPairs


# Cells of a part of validation cells, however few controls a stratum has
_LEAST_PART = 8


class Sampling(Protocol):
    """Makes batches of some cells of a splitter, by their positions, with options of its own."""

    def __call__(self, splitter: CellSplitter, cells: NDArray[np.int64], *, train: bool) -> Sampler[CellBatch] | None:
        """Sampler of the training cells, or of validation or test cells; ``None`` if there are too few of these."""


class Matching(Protocol):
    """Matches cells."""

    def __call__(self, splitter: CellSplitter, cells: NDArray[np.int64]) -> CellPairs:
        """Pairs of some cells."""


def single_cells(
    splitter: CellSplitter, cells: NDArray[np.int64], *, train: bool, batch_size: int = 128, shuffle: bool = True
) -> CellSampler | None:
    """Single cells of all conditions: a :class:`Sampling`.

    There are at most ``batch_size`` cells in a batch. With ``shuffle``, the batches of training cells differ between
    epochs. Cells that are not in memory are read in runs of neighbours.
    """
    if len(cells) < 2 and not train:
        return None
    options: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle and train, "seed": splitter.seed}
    x = splitter.dataset.x
    return (
        StoredCellSampler(cells, run=x.run, **options) if isinstance(x, StoredRows) else CellSampler(cells, **options)
    )


def controls_alongside(
    splitter: CellSplitter, cells: NDArray[np.int64], *, train: bool, n_cells: int = 32, n_parts: int = 8
) -> ControlSampler | None:
    """Perturbed cells of several conditions, and as many controls of their batch and context: a :class:`Sampling`.

    A batch has at most ``n_parts`` parts, each of at most ``n_cells`` cells of one condition. Where conditions have
    fewer than half as many training cells on average, parts are halved, as often as that is so, and a batch has twice as many:
    their places would be filled with controls that nothing is compared with. Parts of validation and test cells have no
    more cells than the rarest stratum has controls, or eight, so that none is drawn twice.
    """
    is_control = splitter.is_control(cells)
    perturbed, controls = cells[~is_control], cells[is_control]
    if not len(perturbed) or not len(controls):
        return None
    conditions = splitter.conditions_of(perturbed)
    trained = splitter.conditions_of(splitter.train_idx[~splitter.is_control(splitter.train_idx)])
    mean_size = len(trained) / len(np.unique(trained))
    while n_cells >= 2 * max(mean_size, 2):
        n_cells, n_parts = n_cells // 2, n_parts * 2
    if not train:
        # A control twice in a part is at no distance from itself, which the unbiased discrepancy takes for likeness
        rarest = int(np.unique(splitter.strata[controls], return_counts=True)[1].min())
        n_cells = min(n_cells, max(rarest, _LEAST_PART))
    return ControlSampler(
        perturbed,
        conditions,
        controls,
        perturbed_strata=splitter.strata[perturbed],
        control_strata=splitter.strata[controls],
        n_cells=n_cells,
        n_parts=n_parts,
        shuffle=train,
        seed=splitter.seed,
    )


def matched_pairs(
    splitter: CellSplitter,
    cells: NDArray[np.int64],
    *,
    train: bool,
    match: Matching,
    batch_size: int = 128,
    all_pairs: bool = True,
) -> PairSampler | None:
    """Pairs of cells that ``match`` finds, such as :func:`match_by_transport`: a :class:`Sampling`.

    There are at most ``batch_size`` pairs in a batch. With ``all_pairs``, an epoch takes all training pairs; otherwise
    as many, drawn at random, as there are different cells on the side that has more.

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

    Each ``"control"`` gets a perturbed cell of every condition, or each ``"treated"`` cell a control, from those with
    the same values of the registered fields ``within``. ``x`` is the expression of all cells of the data that is
    compared, the registered one if ``None``. Further arguments are those of
    :func:`~scpi.model.base.loading._transport.pair_by_stratum`.
    """
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
