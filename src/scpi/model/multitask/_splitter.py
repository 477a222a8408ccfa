"""Batches of what the multi-task autoencoder reads, beside what it decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse
from torch.utils.data import DataLoader

from scpi.model.base._cell_data import BatchSampler
from scpi.model.base._cell_splitter import ScreenCells
from scpi.model.base._constants import KEYS
from scpi.model.base._paired_cells import PairedCells, pair_conditions
from scpi.model.base._screen_splitter import ScreenSplitter
from scpi.model.base._transport import CellPairs
from scpi.model.multitask._counts import log_normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor

    from scpi.model.multitask._presets import PairEach


class TaskSplitter(ScreenSplitter):
    """Splits cells and serves batches of pairs: what is read, and what it is decoded into.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    target
        ``"self"``: every cell with itself. ``"ot"``: every control with itself, and the pairs of optimal transport between
        the controls and the cells of each condition, within batch and context.
    pair_each
        Whether each ``"control"`` gets a treated cell of every condition, or each ``"treated"`` cell a control.
    counts
        Whether the expression is counts, of which the logarithms are compared.
    batch_size
        Most pairs in a batch.
    **kwargs
        As of :class:`ScreenSplitter`.

    Raises
    ------
    ValueError
        If pairs are asked for and no context has controls and treated cells in the training set.
    """

    def __init__(
        self,
        adata_manager: AnnDataManager,
        *,
        target: Literal["self", "ot"] = "self",
        pair_each: PairEach = "treated",
        counts: bool = False,
        batch_size: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(adata_manager, **kwargs)
        self.batch_size, self._target, self._pair_each, self._counts = batch_size, target, pair_each, counts
        self._expression = adata_manager.get_from_registry(KEYS.X)
        self._cells = ScreenCells(adata_manager, self.design)
        self.train_pairs = self._pairs(self.train_idx)
        if self.is_control(self.train_pairs.target).all():
            msg = (
                "No context has control and treated cells in the training set, so that none can be paired: "
                "training by optimal transport needs a context with both."
            )
            raise ValueError(msg)
        self.val_pairs = self._pairs(self.val_idx)

    @property
    def trained_conditions(self) -> NDArray[np.bool_]:
        """Whether each condition of the data is decoded in training, (n_conditions,)."""
        return np.isin(np.arange(len(self.design)), self.conditions_of(self.train_pairs.target))

    def _pairs(self, cells: NDArray[np.int64]) -> CellPairs:
        """What is read and decoded of some cells."""
        if self._target == "self":
            return CellPairs(cells, cells)
        x = self._expression
        x = x.tocsr() if sparse.issparse(x) else x
        is_control = self.is_control(cells)
        control, treated = cells[is_control], cells[~is_control]
        source, target = pair_conditions(
            log_normalised(x) if self._counts else x,
            control,
            treated,
            self.conditions_of(treated),
            self._strata,
            each=self._pair_each,
            rng=np.random.default_rng(self.seed),
        )
        return CellPairs(np.concatenate([control, source]), np.concatenate([control, target]))

    def _loader_of(self, pairs: CellPairs, *, shuffle: bool) -> DataLoader[dict[str, Tensor]]:
        positions = np.arange(len(pairs.source))
        sampler = BatchSampler(positions, batch_size=self.batch_size, shuffle=shuffle, seed=self.seed)
        # The sampler yields whole batches, so the loader must not batch again.
        dataset = PairedCells(self._cells, pairs)
        return DataLoader(dataset, sampler=sampler, batch_size=None, **self.data_loader_kwargs)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches of pairs of training cells, others in every epoch."""
        return self._loader_of(self.train_pairs, shuffle=True)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of pairs of validation cells, the same in every epoch."""
        return self._loader_of(self.val_pairs, shuffle=False) if len(self.val_pairs.source) > 1 else []
