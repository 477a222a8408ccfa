"""Division of the cells of a screen, whatever batches are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np

from scpi._screen._conditions import encode_conditions
from scpi._screen._labels import Labelling
from scpi._screen._split import Split, split_cells
from scpi.model.base._constants import KEYS
from scpi.model.base.training._seed import resolve_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor
    from torch.utils.data import DataLoader


class ScreenSplitter(pl.LightningDataModule):
    """Splits cells within every condition, batch and context.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    train_size, validation_size
        Shares of the cells of a condition; the rest is the test set.
    held_out
        Labels of conditions whose cells all go to the test set.
    external_indexing
        Indices of training, validation and test cells in place of the random split.
    seed
        Seed of the split and of the batches; ``scvi.settings.seed``, or 0, if ``None``.
    **loader_kwargs
        Passed to :class:`torch.utils.data.DataLoader`.
    """

    def __init__(
        self,
        adata_manager: AnnDataManager,
        *,
        train_size: float = 0.9,
        validation_size: float | None = None,
        held_out: str | Sequence[str] = (),
        external_indexing: Sequence[NDArray[np.int64]] | None = None,
        seed: int | None = None,
        **loader_kwargs: Any,
    ) -> None:
        super().__init__()
        # Under these names scvi-tools logs them to MLflow.
        self.data_loader_kwargs, self.train_size, self.validation_size = loader_kwargs, train_size, validation_size
        self.seed = resolve_seed(seed)
        state = adata_manager.get_state_registry(KEYS.CONDITION)
        self._labelling = Labelling(tuple(state["controls"]), state["delimiter"])
        self.design = encode_conditions(state["conditions"], state["vocabulary"], self._labelling, state["doses"])
        self._conditions = list(state["conditions"])
        self._doses = np.array([max(doses, default=0.0) for doses in state["doses"]], dtype=np.float64)
        self._codes = np.asarray(adata_manager.get_from_registry(KEYS.CONDITION)).ravel()
        self._is_control = np.array([label == self._labelling.control for label in state["conditions"]])[self._codes]
        self._strata = _strata(adata_manager)
        self.split = (
            split_cells(
                self._codes * (self._strata.max() + 1) + self._strata,
                train_size=train_size,
                validation_size=validation_size,
                held_out=self._held_out_cells(state, held_out),
                rng=np.random.default_rng(self.seed),
            )
            if external_indexing is None
            else _check_indexing(external_indexing, len(self._codes))
        )
        self.train_idx, self.val_idx, self.test_idx = self.split.sets
        self.n_train, self.n_val = len(self.train_idx), len(self.val_idx)
        self._check_training_cells()

    def _held_out_cells(self, state: dict[str, Any], held_out: str | Sequence[str]) -> NDArray[np.bool_]:
        """Cells whose label is held out."""
        held_out = [held_out] if isinstance(held_out, str) else held_out
        labels = {self._labelling.canonical(label) for label in held_out}
        unknown = sorted(labels - set(state["conditions"]))
        if unknown:
            msg = f"`held_out` names {unknown}, which no cell is labelled with."
            raise ValueError(msg)
        if self._labelling.control in labels:
            msg = f"`held_out` names the control {self._labelling.control!r}, which training needs."
            raise ValueError(msg)
        return np.isin(np.asarray(state["conditions"], dtype=object)[self._codes].astype(str), sorted(labels))

    def _check_training_cells(self) -> None:
        """Training needs controls and perturbed cells."""
        is_control = self._is_control[self.train_idx]
        if not is_control.any() or is_control.all():
            missing = "perturbed" if is_control.any() else "control"
            msg = f"There is no {missing} cell in the training set."
            raise ValueError(msg)

    def sample_training_cells(
        self, n_cells: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """At most ``n_cells`` control and as many perturbed cells of the training set, drawn at random."""
        is_control = self._is_control[self.train_idx]
        pools = self.train_idx[is_control], self.train_idx[~is_control]
        control, perturbed = (np.sort(rng.permutation(pool)[:n_cells]) for pool in pools)
        return control, perturbed

    def conditions_of(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Code of the condition of each of some cells, which is its row in ``design``."""
        return np.asarray(self._codes[cells], dtype=np.int64)

    def is_control(self, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of some cells is a control."""
        return np.asarray(self._is_control[cells])

    def doses_of(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        """Dose of each of some cells; 1 for perturbed cells without a dose, 0 for controls."""
        return self._doses[self._codes[cells]]

    def training_cells_of(self, label: str) -> NDArray[np.int64]:
        """Training cells of one condition, at any dose."""
        codes = [code for code, name in enumerate(self._conditions) if name == label]
        return self.train_idx[np.isin(self._codes[self.train_idx], codes)]

    def _loader(self, cells: NDArray[np.int64], *, shuffle: bool) -> DataLoader[dict[str, Tensor]] | None:
        """Batches of some cells; ``None`` where they make none, as for baselines, which need none."""
        return None

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches of the training cells, others in every epoch."""
        loader = self._loader(self.train_idx, shuffle=True)
        assert loader is not None
        return loader

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of the validation cells, the same in every epoch."""
        return self._loader(self.val_idx, shuffle=False) or []

    def test_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of the test cells."""
        return self._loader(self.test_idx, shuffle=False) or []


def _strata(adata_manager: AnnDataManager) -> NDArray[np.int64]:
    """Code of the combination of batch and context of each cell."""
    registered = adata_manager.data_registry
    columns = [
        np.asarray(adata_manager.get_from_registry(key)).ravel()
        for key in (KEYS.BATCH, KEYS.CONTEXT)
        if key in registered
    ]
    if not columns:
        return np.zeros(adata_manager.adata.n_obs, dtype=np.int64)
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


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
