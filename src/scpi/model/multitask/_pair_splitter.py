"""Batches of pairs of cells: what is read, and what it is decoded into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import DataLoader, Dataset

from scpi.model.base._cell_data import BatchSampler
from scpi.model.base._constants import KEYS
from scpi.model.base._dense import dense_rows
from scpi.model.base._screen_splitter import ScreenSplitter
from scpi.model.base._transport import CellPairs, pair_by_stratum

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor

# Values below which the expression is kept dense: 1 GB of float32
_DENSE = 1 << 28
_DEPTH = 1e4


class PairedCells(Dataset[dict[str, "Tensor"]]):
    """Pairs of cells, as dense batches.

    Parameters
    ----------
    x
        Expression of all cells.
    pairs
        The cells that are read, and those that are decoded.
    codes
        Code of the condition of each decoded cell, (n_pairs, n_codes).
    is_control
        Whether each decoded cell is a control.
    """

    def __init__(
        self, x: Any, pairs: CellPairs, codes: NDArray[np.float32], is_control: NDArray[np.bool_]
    ) -> None:
        self._x, self._pairs = x, pairs
        self._codes, self._is_control = torch.from_numpy(codes), torch.from_numpy(is_control)

    def __getitem__(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        where = torch.from_numpy(index)
        source, target = self._pairs.source[index], self._pairs.target[index]
        read = torch.from_numpy(dense_rows(self._x, source))
        same = np.array_equal(source, target)
        return {
            KEYS.X: read,
            KEYS.PERTURBED: read if same else torch.from_numpy(dense_rows(self._x, target)),
            KEYS.DESIGN: self._codes[where],
            KEYS.LABELS: self._is_control[where],
        }


class PairSplitter(ScreenSplitter):
    """Splits cells and serves batches of pairs.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    codes
        Code of each condition of the data, (n_conditions, n_codes); NaN for conditions that are not trained on.
    target
        ``"self"``: every cell with itself. ``"ot"``: every control with itself, and the pairs of optimal transport between
        the controls and the cells of each condition, within batch and context.
    pair_each
        Whether each ``"control"`` gets a treated cell, as published, or each ``"treated"`` cell a control.
    counts
        Whether the expression is counts, of which the logarithms are compared.
    batch_size
        Most pairs in a batch.
    **kwargs
        As of :class:`ScreenSplitter`.
    """

    def __init__(
        self,
        adata_manager: AnnDataManager,
        *,
        codes: NDArray[np.float32],
        target: Literal["self", "ot"] = "self",
        pair_each: Literal["control", "treated"] = "treated",
        counts: bool = False,
        batch_size: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(adata_manager, **kwargs)
        self.batch_size, self._target, self._pair_each = batch_size, target, pair_each
        self._code_of = codes
        x = adata_manager.get_from_registry(KEYS.X)
        # Rows of a matrix stored by columns cost as much as the whole of it.
        x = x.tocsr() if sparse.issparse(x) else x
        self._logs = _logarithms(x) if counts else x
        self._x = dense_rows(x, np.arange(x.shape[0])) if x.shape[0] * x.shape[1] <= _DENSE else x

    def _loader(self, cells: NDArray[np.int64], *, shuffle: bool) -> DataLoader[dict[str, Tensor]] | None:
        pairs = self.pairs(cells)
        if len(pairs.source) < 2:
            return None
        codes = self._code_of[self.conditions_of(pairs.target)]
        dataset = PairedCells(self._x, pairs, codes, self.is_control(pairs.target))
        sampler = BatchSampler(
            np.arange(len(pairs.source)), batch_size=self.batch_size, shuffle=shuffle, seed=self.seed
        )
        # The sampler yields whole batches, so the loader must not batch again.
        return DataLoader(dataset, sampler=sampler, batch_size=None, **self.data_loader_kwargs)

    def pairs(self, cells: NDArray[np.int64]) -> CellPairs:
        """What is read and decoded of some cells."""
        if self._target == "self":
            return CellPairs(cells, cells)
        control = cells[self.is_control(cells)]
        found = [CellPairs(control, control)]
        treated = cells[~self.is_control(cells)]
        conditions = self.conditions_of(treated)
        for condition in np.unique(conditions):
            found.append(self._transported(control, treated[conditions == condition]))
        return CellPairs(*(np.concatenate(side) for side in zip(*found, strict=True)))

    def _transported(self, control: NDArray[np.int64], treated: NDArray[np.int64]) -> CellPairs:
        """Pairs of the controls and the cells of one condition."""
        arms = (control, treated) if self._pair_each == "control" else (treated, control)
        pairs = pair_by_stratum(self._logs, *arms, *(self._strata[arm] for arm in arms), rng=self.seed)
        return pairs if self._pair_each == "control" else CellPairs(pairs.target, pairs.source)


def _logarithms(x: Any) -> Any:
    """Counts scaled to the same depth, as log1p."""
    depth = np.maximum(np.asarray(x.sum(1)).reshape(-1, 1), 1.0)
    scaled = x.multiply(_DEPTH / depth).tocsr() if sparse.issparse(x) else x / depth * _DEPTH
    return scaled.log1p() if sparse.issparse(scaled) else np.log1p(scaled)
