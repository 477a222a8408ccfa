"""Lightning data module of all models, which splits registered cells and serves batches of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np
from torch.utils.data import DataLoader

from scpi._screen._conditions import encode_conditions
from scpi._screen._labels import Labelling
from scpi._screen._split import Split, split_cells
from scpi._sequence import as_list
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._dataset import CellDataset, blocks
from scpi.model.base.training._seed import resolve_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor
    from torch.utils.data import Sampler

    from scpi.model.base.loading._dataset import CellBatch
    from scpi.model.base.loading._input_transform import InputTransform
    from scpi.model.base.loading._sampling import Sampling


class CellSplitter(pl.LightningDataModule):
    """Splits registered cells into training, validation and test cells, and serves batches of them.

    Cells of a screen are split within every condition, batch and context; other cells all together.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    sampling
        Sampling of batches, such as :func:`~scpi.model.base.loading._sampling.single_cells` with its options; without
        it, cells are only split.
    transform
        Input transform of the network, whose result the batches contain.
    counts
        Whether batches contain the expression besides the transformed input.
    train_size, validation_size
        Fractions of the cells; the remaining cells are the test set.
    held_out
        Labels of conditions whose cells all go to the test set.
    external_indexing
        Positions of training, validation and test cells instead of a random split.
    seed
        Seed of the split and of the batches; ``scvi.settings.seed``, or 0, if ``None``.
    **loader_kwargs
        Passed to :class:`torch.utils.data.DataLoader`.

    Raises
    ------
    ValueError
        If there is no data, a held-out condition has no cells or is the control, positions are not disjoint, or the
        training cells of a screen lack controls or perturbed cells.
    """

    def __init__(
        self,
        adata_manager: AnnDataManager | None,
        sampling: Sampling | None = None,
        *,
        transform: InputTransform | None = None,
        counts: bool = True,
        train_size: float = 0.9,
        validation_size: float | None = None,
        held_out: str | Sequence[str] = (),
        external_indexing: Sequence[NDArray[np.int64]] | None = None,
        seed: int | None = None,
        **loader_kwargs: Any,
    ) -> None:
        super().__init__()
        if adata_manager is None:
            msg = "The model has no data to train on: build it with cells, or load it with `adata`."
            raise ValueError(msg)
        # The cells may have been set up with other keys since the model was built
        adata_manager.validate()
        # scvi-tools logs them to MLflow under these names
        self.data_loader_kwargs, self.train_size, self.validation_size = loader_kwargs, train_size, validation_size
        self.seed = resolve_seed(seed)
        self._manager, self._sampling, self._transform, self._counts = adata_manager, sampling, transform, counts
        self._read_conditions()
        self.split = (
            split_cells(
                self._codes * (self.strata.max(initial=0) + 1) + self.strata,
                train_size=train_size,
                validation_size=validation_size,
                held_out=self._held_out_cells(held_out),
                rng=np.random.default_rng(self.seed),
            )
            if external_indexing is None
            else _check_indexing(external_indexing, len(self._codes))
        )
        self.train_idx, self.val_idx, self.test_idx = self.split.sets
        self.n_train, self.n_val = len(self.train_idx), len(self.val_idx)
        self._check_training_cells()
        self.train_sampler = self._sampler(self.train_idx, train=True)
        self.val_sampler = self._sampler(self.val_idx, train=False)

    def _read_conditions(self) -> None:
        """Read the registered conditions of cells; without any, all cells have one condition."""
        codes = self.registered(KEYS.CONDITION)
        self.has_conditions = codes is not None
        if codes is None:
            n_cells = self._manager.adata.n_obs
            self.design = np.zeros((1, 0), dtype=np.float32)
            self._codes, self.strata = np.zeros((2, n_cells), dtype=np.int64)
            self._is_control, self._doses, self._labels = np.zeros(n_cells, dtype=bool), np.zeros(1), [""]
            self._labelling = Labelling(("",), None)
            return
        state = self._manager.get_state_registry(KEYS.CONDITION)
        self._labelling = Labelling(tuple(state["controls"]), state["delimiter"])
        self._labels = list(state["conditions"])
        self.design = encode_conditions(self._labels, state["vocabulary"], self._labelling, state["doses"])
        self._doses = np.array([max(doses, default=0.0) for doses in state["doses"]], dtype=np.float64)
        self._codes = codes.astype(np.int64)
        self._is_control = np.array([label == self._labelling.control for label in self._labels])[self._codes]
        self.strata = self.strata_of((KEYS.BATCH, KEYS.CONTEXT))

    def _held_out_cells(self, held_out: str | Sequence[str]) -> NDArray[np.bool_]:
        """Cells whose label is held out."""
        labels = {self._labelling.canonical(label) for label in as_list(held_out)}
        unknown = sorted(labels - set(self._labels))
        if unknown:
            msg = f"`held_out` names {unknown}, which no cell is labelled with."
            raise ValueError(msg)
        if self._labelling.control in labels:
            msg = f"`held_out` names the control {self._labelling.control!r}, which training needs."
            raise ValueError(msg)
        return np.isin(np.asarray(self._labels, dtype=object)[self._codes].astype(str), sorted(labels))

    def _check_training_cells(self) -> None:
        """Check that the training cells of a screen include controls and perturbed cells."""
        is_control = self._is_control[self.train_idx]
        if self.has_conditions and (not is_control.any() or is_control.all()):
            missing = "perturbed" if is_control.any() else "control"
            msg = f"There is no {missing} cell in the training set."
            raise ValueError(msg)

    def registered(self, key: str) -> NDArray[Any] | None:
        """Registered values of a field, one per cell; ``None`` if the field is not registered."""
        if key not in self._manager.data_registry:
            return None
        return np.asarray(self._manager.get_from_registry(key)).ravel()

    def strata_of(self, fields: Sequence[str]) -> NDArray[np.int64]:
        """Code of the combination of values of the registered fields among the given ones, for each cell."""
        columns = [values for values in map(self.registered, fields) if values is not None]
        if not columns:
            return np.zeros(len(self._codes), dtype=np.int64)
        return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def conditions_of(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Code of the condition of each given cell, which is its row in ``design``."""
        return self._codes[cells]

    def is_control(self, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each given cell is a control."""
        return np.asarray(self._is_control[cells])

    def doses_of(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        """Dose of each given cell; 1 for perturbed cells without a dose, 0 for controls."""
        return self._doses[self._codes[cells]]

    def occurs(self, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each condition occurs among the given cells, (n_conditions,)."""
        return np.isin(np.arange(len(self._labels)), self._codes[cells])

    @property
    def trained_conditions(self) -> list[str]:
        """Labels of the perturbed training cells, sorted; none without conditions."""
        if not self.has_conditions:
            return []
        perturbed = self.train_idx[~self._is_control[self.train_idx]]
        return sorted({self._labels[code] for code in np.unique(self._codes[perturbed])})

    @property
    def trained_contexts(self) -> dict[str, list[str]]:
        """Contexts of the training cells of each label that is not the control; empty without contexts."""
        codes = self.registered(KEYS.CONTEXT)
        if not self.has_conditions or codes is None:
            return {}
        names = [str(name) for name in self._manager.get_state_registry(KEYS.CONTEXT)["categorical_mapping"]]
        perturbed = self.train_idx[~self._is_control[self.train_idx]]
        pairs = np.unique(np.stack([self._codes[perturbed], codes[perturbed].astype(np.int64)], axis=1), axis=0)
        found: dict[str, set[str]] = {}
        for code, context in pairs:
            found.setdefault(self._labels[code], set()).add(names[context])
        return {label: sorted(found[label]) for label in sorted(found)}

    def training_cells_of(self, label: str) -> NDArray[np.int64]:
        """Training cells of one condition, at any dose."""
        codes = [code for code, name in enumerate(self._labels) if name == label]
        return self.train_idx[np.isin(self._codes[self.train_idx], codes)]

    def sample_training_cells(
        self, n_cells: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """At most ``n_cells`` control and as many perturbed cells of the training set, drawn at random."""
        is_control = self._is_control[self.train_idx]
        pools = self.train_idx[is_control], self.train_idx[~is_control]
        control, perturbed = (np.sort(rng.permutation(pool)[:n_cells]) for pool in pools)
        return control, perturbed

    @cached_property
    def dataset(self) -> CellDataset:
        """The cells."""
        design = self.design if self.has_conditions else None
        return CellDataset(self._manager, design=design, transform=self._transform, counts=self._counts)

    def training_cells(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor | None]]:
        """Expression of the training cells in blocks, with their size factors and batches where they are registered."""
        for cells in blocks(self.train_idx):
            yield self.dataset.cells(cells)

    def training_inputs(self) -> Iterator[Tensor]:
        """Input of the network for the training cells, in blocks."""
        for cells in blocks(self.train_idx):
            yield self.dataset.inputs(cells)

    def sample(self, n_cells: int) -> NDArray[np.int64]:
        """Training cells, drawn at random if there are more than ``n_cells``."""
        return np.sort(np.random.default_rng(self.seed).permutation(self.train_idx)[:n_cells])

    @property
    def has_validation(self) -> bool:
        """Whether there are batches of validation cells."""
        return self.val_sampler is not None

    @property
    def n_batches(self) -> int:
        """Number of training batches in an epoch."""
        return 0 if self.train_sampler is None else len(self.train_sampler)  # type: ignore[arg-type]

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of the training cells, which differ between epochs."""
        return self._loader(self.train_sampler)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of the validation cells, equal in every epoch."""
        return self._loader(self.val_sampler)

    def test_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of the test cells."""
        return self._loader(self._sampler(self.test_idx, train=False))

    def _sampler(self, cells: NDArray[np.int64], *, train: bool) -> Sampler[CellBatch] | None:
        return None if self._sampling is None else self._sampling(self, cells, train=train)

    def _loader(self, sampler: Sampler[CellBatch] | None) -> DataLoader[dict[str, Tensor]] | list[Any]:
        if sampler is None:
            return []
        # The sampler yields whole batches, so that the loader must not batch again
        return DataLoader(self.dataset, sampler=sampler, batch_size=None, **self.data_loader_kwargs)


def _check_indexing(indexing: Sequence[NDArray[np.int64]], n_obs: int) -> Split:
    """Up to three disjoint sets of cells."""
    sets = [np.asarray(cells, dtype=np.int64) for cells in indexing]
    sets += [np.zeros(0, dtype=np.int64)] * (3 - len(sets))
    joined = np.concatenate(sets)
    if (
        len(sets) != 3
        or len(np.unique(joined)) != len(joined)
        or (len(joined) and not 0 <= joined.min() <= joined.max() < n_obs)
    ):
        msg = "`external_indexing` must hold up to three disjoint sets of cell indices: training, validation, test."
        raise ValueError(msg)
    return Split(train=sets[0], validation=sets[1], test=sets[2])
