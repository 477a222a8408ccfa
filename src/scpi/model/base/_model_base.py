"""Base class of models: they check the data they read, and leave it unchanged if they reject it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from anndata import AnnData
from scvi.data import AnnDataManager
from scvi.data._constants import _SCVI_UUID_KEY
from scvi.model._utils import parse_device_args
from scvi.model.base import BaseModelClass

from scpi._fingerprint import fingerprint
from scpi._layer_of_counts import layer_of_new_counts
from scpi._minified import check_has_counts
from scpi._quiet import quiet_transfer
from scpi._screen._checks import NORMAL_ADVICE, check_annotations, check_expression, check_paired
from scpi._screen._matrix import dense_rows
from scpi._screen._stored_rows import by_rows
from scpi._slots import find_layer, layer_name, listed
from scpi._warn import warn_user
from scpi.model.base._constants import KEYS
from scpi.model.base._summary import as_html, as_text
from scpi.model.base.saving._folder import read_folder
from scpi.model.base.saving._model import check_model, read_data, restore, save_model
from scpi.model.base.setup._methods import complete_setup
from scpi.model.base.setup._register import register
from scpi.model.base.setup._rollback import unchanged_on_failure
from scpi.model.base.training._seed import resolve_seed, seeded

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base.setup._declaration import Field


# Advice of models that read only counts
COUNTS_ADVICE = "Name the layer that holds them (`layer=`)."


class ModelBase(BaseModelClass):
    """Base class of all models: saving and loading, checks of new data, and access to the expression."""

    _reads_counts = False
    """Whether the expression must be counts."""
    _reads_logs = False
    """Whether the expression must be log-normalised."""
    _reads_changes = False
    """Whether the values are changes of expression, of both signs."""
    _advice = NORMAL_ADVICE
    """Advice at the end of the message about expression of the wrong kind."""

    _fields: ClassVar[tuple[Field, ...]] = ()
    """Fields registered beside the expression: arguments of `setup_anndata` and `setup_mudata`."""

    preset_: Any
    """Settings of the network."""

    trained_cells_: str | None = None
    """Fingerprint of the cell names at the time of saving."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        complete_setup(cls)

    def __init__(self, adata: AnnData | MuData | None = None, registry: dict[str, Any] | None = None) -> None:
        super().__init__(adata, registry)
        self._checked: AnnData | MuData | None = None
        self._copy: AnnData | MuData | None = None
        if adata is not None:
            self.var_names_: list[str] = self._var(self.adata).index.astype(str).tolist()

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    @classmethod
    def setup_mudata(cls, mdata: MuData, *, modalities: dict[str, str] | None = None, **kwargs: Any) -> None:
        """Set up a MuData. Each class derives this method from its :meth:`setup_anndata`.

        Parameters
        ----------
        mdata
            Cells in several modalities.
        modalities
            Modality of the expression, as ``"layer"``, and of each argument that does not refer to ``mdata.obs``.
        **kwargs
            As in :meth:`setup_anndata`.
        """
        raise NotImplementedError

    @classmethod
    def _register(cls, data: AnnData | MuData, method: dict[str, Any], **kwargs: Any) -> None:
        """Register the expression and the fields of the class, with the name and the arguments of a setup."""
        # These are properties if they depend on the likelihood, which the constructor takes
        counts, logs = (flag is True for flag in (cls._reads_counts, cls._reads_logs))
        checks = {"counts": counts, "logs": logs, "signed": cls._reads_changes, "advice": cls._advice}
        checks["unlike_counts"] = cls._reads_counts is False and not cls._reads_changes
        cls.register_manager(register(data, method, cls._fields, checks=checks, **kwargs))

    def save(
        self,
        dir_path: str | os.PathLike[str],
        prefix: str | None = None,
        overwrite: bool = False,
        *,
        save_anndata: bool = False,
        **anndata_write_kwargs: Any,
    ) -> None:
        """Save the model to a folder, in files that load without running code.

        If the model replaces another, the old one stays until the new one is complete, even if the process is killed.

        Parameters
        ----------
        dir_path
            Folder.
        prefix
            Prefix of the file names.
        overwrite
            Whether to replace the model in the folder. Other files in the folder are kept.
        save_anndata
            Whether to save the data too.
        **anndata_write_kwargs
            Passed to :meth:`anndata.AnnData.write_h5ad`.

        Raises
        ------
        ValueError
            If the folder exists and ``overwrite=False``, or there is no data to save.
        TypeError
            If an attribute of the model cannot be saved in a form that loads without running code.
        OSError
            If the files cannot be written. Existing files are unchanged.
        """
        if self.adata is not None:
            self.trained_cells_ = fingerprint(self._modality(self.adata).obs_names)
        save_model(
            self, Path(dir_path), prefix or "", overwrite=overwrite, save_anndata=save_anndata, **anndata_write_kwargs
        )

    @classmethod
    def load(
        cls,
        dir_path: str | os.PathLike[str],
        adata: AnnData | MuData | bool | None = None,
        *,
        accelerator: str = "auto",
        device: int | str = "auto",
        prefix: str | None = None,
        allowed_classes_names_list: Sequence[str] | None = None,
        allow_pickle: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Load a saved model.

        Parameters
        ----------
        dir_path
            Folder of the saved model.
        adata
            Data to load the model with. If ``None``, the data that was saved with the model; if ``False``, none. If the
            cells are not the training cells, none of them counts as a training cell.
        accelerator, device, prefix, allowed_classes_names_list
            As in :meth:`scvi.model.base.BaseModelClass.load`.
        allow_pickle
            Whether to load a model in the format of scvi-tools, which older versions of scpi wrote. Such a file is a
            Python pickle, which can run code: allow it only if you trust the source of the file.
        **kwargs
            Not used: ``backup_url`` and ``datamodule`` of scvi-tools are rejected.

        Raises
        ------
        ValueError
            If there is no saved model, a file is damaged or can run code, the model belongs to another class or a newer
            scpi, or the genes of the data differ from those of the model.
        """
        if kwargs:
            msg = f"Models of scpi are loaded without {sorted(kwargs)}: download the folder, and give `adata`."
            raise TypeError(msg)
        saved = read_folder(dir_path, prefix, allow_pickle=allow_pickle)
        check_model(cls, saved, tuple(allowed_classes_names_list or ()))
        _, _, place = parse_device_args(accelerator, device, return_device="torch", validate_single_device=True)
        if adata is None:
            adata = read_data(saved)
            if adata is None:
                warn_user("No data was saved with the model, and none is given, so the model is loaded without data.")
        if adata is None or isinstance(adata, bool):
            unbound: Self = restore(cls, saved, None, place)
            return unbound
        modality = _modality(adata, saved.content.registry)
        check_annotations(modality)
        _check_genes(modality.var_names, saved.content.attributes["var_names_"])
        with unchanged_on_failure(adata):
            model: Self = restore(cls, saved, adata, place)
        if model.trained_cells_ not in (None, fingerprint(modality.obs_names)):
            # Positions in the training data refer to other cells here
            model.train_indices = model.validation_indices = model.test_indices = None
        return model

    @staticmethod
    def load_registry(
        dir_path: str | os.PathLike[str], prefix: str | None = None, *, allow_pickle: bool = False
    ) -> dict[str, Any]:
        """Load the registry of a saved model: its setup and the state of its fields.

        Parameters
        ----------
        dir_path, prefix, allow_pickle
            As in :meth:`load`.

        Returns
        -------
        Dictionary of scvi-tools, with the setup and the fields by name.
        """
        return read_folder(dir_path, prefix, allow_pickle=allow_pickle).content.registry

    @staticmethod
    def view_setup_args(
        dir_path: str | os.PathLike[str], prefix: str | None = None, *, allow_pickle: bool = False
    ) -> None:
        """Print the arguments of the setup of a saved model.

        Parameters
        ----------
        dir_path, prefix, allow_pickle
            As in :meth:`load`.
        """
        # scvi-tools uses it without importing it
        import rich.pretty  # noqa: F401

        AnnDataManager.view_setup_method_args(ModelBase.load_registry(dir_path, prefix, allow_pickle=allow_pickle))

    @classmethod
    def convert_legacy_save(cls, *args: Any, **kwargs: Any) -> None:
        """Raise an error: scpi never saved models in the legacy format of scvi-tools.

        Parameters
        ----------
        *args, **kwargs
            As in scvi-tools.
        """
        msg = "scpi never saved models in the format of scvi-tools before 0.15: load the folder with `load`."
        raise NotImplementedError(msg)

    def _validate_anndata(self, adata: AnnData | MuData | None = None, copy_if_view: bool = True) -> AnnData | MuData:
        """Check new data before scvi-tools transfers the setup to it. A view is copied and stays unchanged."""
        if adata is None and self.adata is None:
            msg = "The model was loaded without data: pass the cells as `adata`."
            raise ValueError(msg)
        if adata is None or adata is self.adata:
            return super()._validate_anndata(adata, copy_if_view=copy_if_view)
        is_copy = adata.is_view
        if is_copy:
            adata = adata.copy()
        if adata is not self._checked:
            modality = _modality(adata, self.registry)
            check_annotations(modality)
            _check_genes(modality.var_names, self.var_names_)
            layer = self.registry["setup_args"].get("layer")
            if type(self)._reads_counts is True:
                layer = layer_of_new_counts(modality, layer)
            check_expression(
                find_layer(modality, layer),
                what=layer_name(layer),
                counts=self._reads_counts,
                logs=self._reads_logs,
                signed=self._reads_changes,
                unlike_counts=layer is None and not self._reads_counts and not self._reads_changes,
                advice=self._advice,
            )
            self._checked = None
        with unchanged_on_failure(adata), quiet_transfer():
            adata = super()._validate_anndata(adata, copy_if_view=copy_if_view)
        # Only the model uses the copy of a view, and scvi-tools would keep each of them
        if self._copy is not None and self._copy is not adata and self._copy is not self.adata:
            self._per_instance_manager_store[self.id].pop(self._copy.uns[_SCVI_UUID_KEY], None)
        self._checked, self._copy = adata, adata if is_copy else None
        return adata

    def _modality(self, adata: AnnData | MuData) -> AnnData:
        """The AnnData that holds the expression."""
        return _modality(adata, self.registry)

    def _var(self, adata: AnnData | MuData) -> pd.DataFrame:
        return self._modality(adata).var

    def _places(self, genes: Sequence[str]) -> NDArray[np.intp]:
        """Positions of genes among those of the model; a KeyError lists the missing ones."""
        found = pd.Index(self.var_names_).get_indexer(pd.Index(genes))
        if (found < 0).any():
            msg = f"The model has no gene {listed(np.asarray(genes)[found < 0])}."
            raise KeyError(msg)
        return found

    def _field(self, adata: AnnData | MuData, key: str) -> Any:
        """Registered values of the cells of ``adata``, after validation."""
        if key == KEYS.X:
            check_has_counts(adata)
        values = self.get_anndata_manager(adata, required=True).get_from_registry(key)
        return by_rows(values) if key == KEYS.X else values

    def _state_of(self, adata: AnnData | MuData, key: str) -> Any:
        """Registered state of a field of ``adata``, after validation."""
        return self.get_anndata_manager(adata, required=True).get_state_registry(key)

    def _statistic(self, key: str, name: str, default: int = 0) -> int:
        """A registered number of a field, such as its number of categories."""
        found = self.registry["field_registries"].get(key, {}).get("summary_stats", {})
        return int(found.get(name, default))

    @property
    def _n_genes(self) -> int:
        return self._statistic(KEYS.X, "n_vars")

    def _build(
        self, make: Callable[[], Any], *, seed: int | None, of_preset: Sequence[str] = (), **settings: Any
    ) -> None:
        """Build the network from a seed, and describe the model by settings and by attributes of its preset."""
        self.seed_ = resolve_seed(seed)
        with seeded(self.seed_):
            self.module = make()
        settings |= {name: getattr(self.preset_, name) for name in of_preset}
        described = ", ".join(f"{name}: {value}" for name, value in settings.items())
        self._model_summary_string = f"{type(self).__name__} with {described}"

    def _has_field(self, key: str) -> bool:
        return bool(self.registry["field_registries"].get(key, {}).get("data_registry"))

    def _rows(self, adata: AnnData | MuData, indices: NDArray[np.int64]) -> Any:
        """Expression of some cells, as sparse as it is registered."""
        return self._field(adata, KEYS.X)[indices]

    def _expression(self, adata: AnnData | MuData, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Dense expression of some cells."""
        return dense_rows(self._field(adata, KEYS.X), indices)


def _modality(adata: AnnData | MuData, registry: dict[str, Any]) -> AnnData:
    """The AnnData that holds the expression. The data must be of the type that the model was set up with."""
    modality = registry["field_registries"][KEYS.X]["data_registry"].get("mod_key")
    wanted, given = "AnnData" if modality is None else "MuData", "AnnData" if isinstance(adata, AnnData) else "MuData"
    if wanted != given:
        msg = f"The model was set up with {wanted}, but {given} was given."
        raise TypeError(msg)
    if modality is None:
        return adata
    if modality not in adata.mod:
        msg = f"The model reads the modality {modality!r}, but the data has {list(adata.mod)}."
        raise ValueError(msg)
    check_paired(adata, modality)
    return adata.mod[modality]


def _check_genes(given: pd.Index, wanted: Sequence[str]) -> None:
    """Check that the genes are those of the model, in the same order."""
    names = given.astype(str)
    if names.tolist() == list(wanted):
        return
    known = set(names)
    missing = [name for name in wanted if name not in known]
    msg = (
        f"The data lacks {len(missing)} of the {len(wanted)} genes that the model was trained on, "
        f"for instance {missing[:5]}."
        if missing
        else "The genes of the data are not those of the model, in its order. Take `adata[:, model.var_names_].copy()`."
    )
    raise ValueError(msg)
