"""Batches of a data module of scvi-tools, such as one that reads a collection of zarr stores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch

from scpi._slots import listed
from scpi.model.base._constants import KEYS
from scpi.model.base.training._seed import resolve_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from scpi.model.base._model_base import ModelBase


class GivenBatches(pl.LightningDataModule):
    """Batches of a data module, with the codes of the model, restricted to its registered fields.

    Parameters
    ----------
    model
        Model to train.
    datamodule
        Data module with a ``registry`` of scvi-tools, such as :class:`scvi.dataloaders.AnnbatchDataModule`.
    train_size, validation_size
        Fractions of the cells, for data modules that can split them.
    batch_size
        Maximum number of cells in a batch, for the same data modules.
    seed
        Seed of the training; batches are drawn by the data module.

    Raises
    ------
    ValueError
        If the genes, the columns of covariates or their categories differ from those of the model, or the model was set
        up with size factors, which data modules compute themselves.
    """

    test_idx = train_idx = val_idx = None
    """The cells are not those of the setup data."""

    def __init__(
        self,
        model: ModelBase,
        datamodule: Any,
        *,
        train_size: float,
        validation_size: float | None,
        batch_size: int,
        seed: int | None,
    ) -> None:
        super().__init__()
        self.datamodule, self.seed = datamodule, resolve_seed(seed)
        self.data_loader_kwargs: dict[str, Any] = {}
        self.train_size, self.validation_size = train_size, validation_size
        if hasattr(datamodule, "set_split"):
            datamodule.set_split(train_size=train_size, validation_size=validation_size, batch_size=batch_size)
        self.n_train, self.n_val = int(datamodule.n_train), int(datamodule.n_val)
        self.n_batches = math.ceil(self.n_train / datamodule.batch_size)
        unlabelled = getattr(datamodule, "unlabeled_category", None)
        self._codes = _translations(model, datamodule.registry["field_registries"], unlabelled)
        self._keys = [key for key in (KEYS.X, KEYS.CONTINUOUS) if model._has_field(key)]

    @property
    def has_validation(self) -> bool:
        """Whether there are validation cells."""
        return self.n_val > 0

    def train_dataloader(self) -> Any:
        """Batches of the training cells."""
        return self.datamodule.train_dataloader()

    def val_dataloader(self) -> Any:
        """Batches of the validation cells."""
        return self.datamodule.val_dataloader()

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> dict[str, Tensor]:
        """The tensors that the model registers, with its codes."""
        tensors = self.datamodule.on_before_batch_transfer(batch, dataloader_idx)
        found = {key: tensors[key] for key in self._keys}
        for key, translations in self._codes.items():
            codes = tensors[key].long().reshape(len(tensors[KEYS.X]), -1)
            columns = [new[codes[:, column]] for column, new in enumerate(translations)]
            found[key] = torch.stack(columns, dim=1)
            if (found[key] < 0).any():
                msg = f"Some cells of the data module have no {key!r}, which the model reads."
                raise ValueError(msg)
        return found


def _translations(model: ModelBase, given: Mapping[str, Any], unlabelled: str | None) -> dict[str, list[Tensor]]:
    """Code of the model for each code of a data module, by the field and its columns; -1 for cells without a label."""
    genes = [str(name) for name in given[KEYS.X]["state_registry"]["column_names"]]
    if genes != model.var_names_:
        shown = f"{listed(genes[:3])} against {listed(model.var_names_[:3])}"
        msg = f"The genes of the data module are not those of the model, in its order: {len(genes)} against {len(model.var_names_)}, {shown}."
        raise ValueError(msg)
    if model._has_field(KEYS.SIZE_FACTOR):
        msg = "A data module does not provide size factors: set the model up without `size_factor_key`."
        raise ValueError(msg)
    registered = model.registry["field_registries"]
    columns, wanted = (list(_state(fields, KEYS.CONTINUOUS).get("columns", [])) for fields in (given, registered))
    if columns != wanted:
        msg = (
            f"The continuous covariates of the data module are {listed(columns)}, those of the model {listed(wanted)}."
        )
        raise ValueError(msg)
    return {
        key: _of_field(_categories(_state(given, key)), _categories(_state(registered, key)), unlabelled)
        for key in (KEYS.BATCH, KEYS.LABELS, KEYS.CATEGORICAL)
        if model._has_field(key)
    }


def _state(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    state: Mapping[str, Any] = fields.get(key, {}).get("state_registry", {})
    return state


def _categories(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """Categories of each column of a field, of the model or of a data module."""
    if "categorical_mapping" in state:
        return {str(state["original_key"]): [str(name) for name in state["categorical_mapping"]]}
    columns = state.get("categories", state.get("mapping", {}))
    return {str(column): [str(name) for name in names] for column, names in columns.items()}


def _of_field(given: dict[str, list[str]], known: dict[str, list[str]], unlabelled: str | None) -> list[Tensor]:
    if list(given) != list(known):
        msg = f"The covariates of the data module are {listed(given)}, those of the model {listed(known)}: name the same columns."
        raise ValueError(msg)
    return [torch.tensor(_of_column(column, given[column], known[column], unlabelled)) for column in known]


def _of_column(column: str, given: list[str], known: list[str], unlabelled: str | None) -> list[int]:
    codes = {name: code for code, name in enumerate(known)}
    # A data module adds the category of cells without a label, which none may have
    unknown = [name for name in given if name not in codes and name != unlabelled]
    if unknown:
        msg = f"{column!r} of the data module has {listed(unknown)}, but the model was set up with {listed(known)}."
        raise ValueError(msg)
    return [codes.get(name, -1) for name in given]
