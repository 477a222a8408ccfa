"""Batches of control cells beside their partners by optimal transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi.model.base._constants import KEYS
from scpi.model.base.loading._cell_data import BatchSampler
from scpi.model.base.loading._paired_cells import pair_conditions
from scpi.model.base.loading._paired_splitter import PairedSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scvi.data import AnnDataManager

    from scpi.model.base.loading._transport import CellPairs
    from scpi.model.scbutterfly._module import Side
    from scpi.model.scbutterfly._presets import Preset


class PairSampler(BatchSampler):
    """Batches of some of the pairs, others in every epoch.

    Parameters
    ----------
    n_pairs
        Number of pairs.
    n_drawn
        Pairs of an epoch.
    batch_size
        Most pairs in a batch.
    seed
        Seed of the draws.
    """

    def __init__(self, n_pairs: int, n_drawn: int, *, batch_size: int, seed: int) -> None:
        super().__init__(np.arange(n_drawn), batch_size=batch_size, shuffle=True, seed=seed)
        self._n_pairs = n_pairs

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._n_pairs)
        self._epoch += 1
        yield from np.array_split(order[: len(self._cells)], len(self))


class PairSplitter(PairedSplitter):
    """Splits cells, and pairs the control with the treated cells of each context and condition.

    Every control cell has a partner in every condition of its context; an epoch takes as many pairs, at random, as there
    are paired cells in the larger arm, which with one condition are all of them.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    preset
        How cells are paired.
    **kwargs
        As of :class:`PairedSplitter`.
    """

    def __init__(self, adata_manager: AnnDataManager, *, preset: Preset, **kwargs: Any) -> None:
        super().__init__(adata_manager, **kwargs)
        self._preset = preset
        self._context = (
            np.asarray(adata_manager.get_from_registry(KEYS.CONTEXT)).ravel().astype(np.int64)
            if KEYS.CONTEXT in adata_manager.data_registry
            else np.zeros(len(self._codes), dtype=np.int64)
        )
        self._check_pairs()

    def _pairs(self, cells: NDArray[np.int64]) -> CellPairs:
        """Pairs of some cells, condition by condition."""
        is_control = self.is_control(cells)
        return pair_conditions(
            self._expression,
            cells[is_control],
            cells[~is_control],
            self.conditions_of(cells[~is_control]),
            self._context,
            n_components=self._preset.n_components,
            method=self._preset.transport,
            how=self._preset.pairing,
            max_cells=self._preset.max_cells,
            rng=np.random.default_rng(self.seed),
        )

    def mean_expression(self) -> dict[Side, NDArray[np.float32]]:
        """Mean of the training cells of each arm that have a partner."""
        means = (self._expression[np.unique(cells)].mean(0) for cells in self.train_pairs)
        control, treated = (np.asarray(mean, dtype=np.float32).ravel() for mean in means)
        return {"control": control, "treated": treated}

    def _sampler(self, pairs: CellPairs, *, shuffle: bool) -> BatchSampler:
        if not shuffle:
            return super()._sampler(pairs, shuffle=False)
        n_pairs, largest = len(pairs.source), max(len(np.unique(positions)) for positions in pairs)
        return PairSampler(n_pairs, min(n_pairs, largest), batch_size=self.batch_size, seed=self.seed)
