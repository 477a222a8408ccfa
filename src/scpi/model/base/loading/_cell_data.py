"""Lightning data module of models that read single cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np
import torch
from scipy import sparse
from torch.utils.data import DataLoader, Dataset, Sampler

from scpi._screen._matrix import dense_rows
from scpi._screen._split import split_cells
from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor

    from scpi.model.base.loading._input_transform import InputTransform

# Values below which data is kept dense, with the transform done once: 1 GB of float32
_DENSE = 1 << 28
_BLOCK = 2048
# Values of cells that come with their counts, where they are registered
_FIELDS = {KEYS.SIZE_FACTOR: np.float32, KEYS.BATCH: np.int64, KEYS.LABELS: np.int64, KEYS.WEIGHT: np.float32}


class Cells(Dataset[dict[str, "Tensor"]]):
    """Registered cells, as dense batches.

    Parameters
    ----------
    manager
        Manager of the registered data.
    transform
        Input transform of the network.
    counts
        Whether batches hold the counts beside the input.
    """

    def __init__(self, manager: AnnDataManager, transform: InputTransform, *, counts: bool) -> None:
        x = manager.get_from_registry(KEYS.X)
        # Rows of a matrix stored by columns cost as much as the whole of it.
        self._x = x.tocsr() if sparse.issparse(x) else x
        self._transform, self._counts = transform, counts
        self._values: dict[str, Tensor] = {}
        for key, dtype in _FIELDS.items():
            if key in manager.data_registry:
                values = np.asarray(manager.get_from_registry(key)).reshape(-1, 1)
                self._values[key] = torch.from_numpy(values.astype(dtype))
        self._kept: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return int(self._x.shape[0])

    def rows(self, index: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """Counts and size factors of some cells."""
        size = self._values.get(KEYS.SIZE_FACTOR)
        return torch.from_numpy(dense_rows(self._x, index)), None if size is None else size[index]

    def keep(self) -> None:
        """Keep the input of all cells, and their counts, if they are small; call it when the transform is fitted."""
        n_values = self._x.shape[0] * self._x.shape[1] * (2 if self._counts else 1)
        if n_values > _DENSE:
            return
        blocks = [self[index] for index in _blocks(np.arange(len(self)))]
        self._kept = {key: torch.cat([block[key] for block in blocks]) for key in self._matrices}

    def release(self) -> None:
        """Let go of what was kept."""
        self._kept = {}

    @property
    def _matrices(self) -> tuple[str, ...]:
        return (KEYS.X, KEYS.INPUT) if self._counts else (KEYS.INPUT,)

    def __getitem__(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        where = torch.from_numpy(index)
        tensors = {key: values[where] for key, values in self._values.items()} | {KEYS.INDEX: where}
        if self._kept:
            return tensors | {key: values[where] for key, values in self._kept.items()}
        counts, size = self.rows(index)
        # The transform may have moved with the network to another device.
        device = self._transform.rate.device
        with torch.no_grad():
            x = self._transform(counts.to(device), None if size is None else size.to(device)).cpu()
        return tensors | {KEYS.INPUT: x} | ({KEYS.X: counts} if self._counts else {})


class BatchSampler(Sampler["NDArray[np.int64]"]):
    """Shares cells out over batches of nearly the same size, so that none is left with a single cell.

    Parameters
    ----------
    cells
        Positions of the cells.
    batch_size
        Most cells in a batch.
    shuffle
        Whether the batches are others in every epoch.
    seed
        Seed of the shuffling.
    """

    def __init__(self, cells: NDArray[np.int64], *, batch_size: int, shuffle: bool, seed: int) -> None:
        self._cells, self._batch_size, self._shuffle, self._seed = cells, batch_size, shuffle, seed
        self._epoch = 0

    def __len__(self) -> int:
        # One cell more in a batch is better than a batch of one cell.
        n_batches = -(-len(self._cells) // self._batch_size)
        return max(1, min(n_batches, len(self._cells) // 2))

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        order = self._cells
        if self._shuffle:
            order = np.random.default_rng([self._seed, self._epoch]).permutation(order)
        self._epoch += 1
        yield from np.array_split(order, len(self))


class CellData(pl.LightningDataModule):
    """Splits cells and serves batches of them.

    Parameters
    ----------
    manager
        Manager of the registered data.
    transform
        Input transform of the network.
    counts
        Whether batches hold the counts beside the input.
    batch_size
        Most cells in a batch.
    shuffle
        Whether the training batches are others in every epoch.
    train_size, validation_size
        Shares of the cells; the rest is the test set.
    seed
        Seed of the split and of the batches.
    """

    def __init__(
        self,
        manager: AnnDataManager,
        transform: InputTransform,
        *,
        counts: bool,
        batch_size: int,
        shuffle: bool,
        train_size: float,
        validation_size: float | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.cells = Cells(manager, transform, counts=counts)
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        # Under these names scvi-tools logs them to MLflow.
        self.data_loader_kwargs: dict[str, Any] = {}
        self.train_size, self.validation_size = train_size, validation_size
        split = split_cells(
            np.zeros(len(self.cells), dtype=np.int64),
            train_size=train_size,
            validation_size=validation_size,
            rng=np.random.default_rng(seed),
        )
        self.train_idx, self.val_idx, self.test_idx = split.sets
        self.n_train, self.n_val = len(self.train_idx), len(self.val_idx)

    def training_rows(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Counts and size factors of the training cells, in blocks."""
        for index in _blocks(self.train_idx):
            yield self.cells.rows(index)

    def training_inputs(self) -> Iterator[Tensor]:
        """Input of the training cells, in blocks."""
        for index in _blocks(self.train_idx):
            yield self.cells[index][KEYS.INPUT]

    def sampled(self, n_cells: int) -> NDArray[np.int64]:
        """Training cells, drawn at random where there are more than are asked for."""
        return np.sort(np.random.default_rng(self.seed).permutation(self.train_idx)[:n_cells])

    def sample(self, n_cells: int) -> Tensor:
        """Input of training cells, drawn at random where there are more than are asked for."""
        return self.cells[self.sampled(n_cells)][KEYS.INPUT]

    def moments(self, transform: InputTransform) -> tuple[Tensor, Tensor]:
        """Mean and variance of the counts of each gene at median depth, over the training cells."""
        first = second = torch.zeros(len(transform.rate), dtype=torch.float64)
        for counts, size in self.training_rows():
            values = (counts / transform.relative_depth(counts, size)).double()
            first, second = first + values.sum(0), second + values.square().sum(0)
        mean = first / self.n_train
        variance = second / self.n_train - mean.square()
        return mean.float(), variance.float()

    @property
    def n_batches(self) -> int:
        """Batches in an epoch."""
        return len(self._sampler(self.train_idx, shuffle=self.shuffle))

    def _sampler(self, cells: NDArray[np.int64], *, shuffle: bool) -> BatchSampler:
        return BatchSampler(cells, batch_size=self.batch_size, shuffle=shuffle, seed=self.seed)

    def _loader(self, cells: NDArray[np.int64], *, shuffle: bool) -> DataLoader[dict[str, Tensor]]:
        # The sampler yields whole batches, so the loader must not batch again.
        return DataLoader(self.cells, sampler=self._sampler(cells, shuffle=shuffle), batch_size=None)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches of the training cells."""
        return self._loader(self.train_idx, shuffle=self.shuffle)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of the validation cells, the same in every epoch."""
        return self._loader(self.val_idx, shuffle=False) if len(self.val_idx) > 1 else []


def _blocks(cells: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(cells), _BLOCK):
        yield cells[start : start + _BLOCK]
