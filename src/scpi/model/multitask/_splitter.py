"""Batches of what the multi-task autoencoder reads, beside what it decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from scpi.model.base._constants import KEYS
from scpi.model.base.loading._paired_cells import pair_conditions
from scpi.model.base.loading._paired_splitter import PairedSplitter
from scpi.model.base.loading._transport import CellPairs
from scpi.model.multitask._counts import depth_per_size, log_normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager

    from scpi.model.multitask._presets import PairEach


class TaskSplitter(PairedSplitter):
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
    **kwargs
        As of :class:`PairedSplitter`.

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
        **kwargs: Any,
    ) -> None:
        super().__init__(adata_manager, **kwargs)
        self._target, self._pair_each, self._counts = target, pair_each, counts
        self.depth_per_size, self._depth = 1.0, None
        if counts and KEYS.SIZE_FACTOR in adata_manager.data_registry:
            size_factor = np.asarray(adata_manager.get_from_registry(KEYS.SIZE_FACTOR), dtype=np.float64).ravel()
            self.depth_per_size = depth_per_size(self._expression[self.train_idx], size_factor[self.train_idx])
            self._depth = size_factor * self.depth_per_size
        self._check_pairs()

    def _pairs(self, cells: NDArray[np.int64]) -> CellPairs:
        """What is read and decoded of some cells."""
        if self._target == "self":
            return CellPairs(cells, cells)
        x = self._expression
        x = x.tocsr() if sparse.issparse(x) else x
        is_control = self.is_control(cells)
        control, treated = cells[is_control], cells[~is_control]
        source, target = pair_conditions(
            log_normalised(x, self._depth) if self._counts else x,
            control,
            treated,
            self.conditions_of(treated),
            self._strata,
            each=self._pair_each,
            rng=np.random.default_rng(self.seed),
        )
        return CellPairs(np.concatenate([control, source]), np.concatenate([control, target]))
