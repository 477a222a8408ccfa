"""From a model to what is saved of it, and back."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import anndata as ad
import mudata as md
from scvi.data._constants import _MODEL_NAME_KEY, _SETUP_ARGS_KEY, _SETUP_METHOD_NAME
from scvi.model.base._save_load import _initialize_model

from scpi.model.base.saving._document import damaged
from scpi.model.base.saving._folder import Content, Saved, check_file, write_folder

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData


_NOT_OURS = {"save_kwargs", "legacy_mudata_format", "datamodule"}
# Errors of constructors and torch about arguments and sizes that do not match. Invalid values are a ValueError
_UNFIT = (RuntimeError, MemoryError, TypeError, LookupError, AttributeError, ArithmeticError)
_READERS = {"setup_anndata": ad.read_h5ad, "setup_mudata": md.read_h5mu}


def content_of(model: Any) -> Content:
    """State of a model to save."""
    attributes = {name: value for name, value in model._get_user_attributes() if name.endswith("_")}
    registry, preset = attributes.pop("registry_"), attributes.pop("preset_", None)
    settings: dict[str, Any] = {}
    if preset is not None:
        values = {field.name: getattr(preset, field.name) for field in fields(preset)}
        settings = {"name": model.init_params_["non_kwargs"].get("preset"), "settings": values}
    return Content(registry, attributes, settings, dict(model.module.state_dict()))


def save_model(
    model: Any, folder: Path, prefix: str, *, overwrite: bool, save_anndata: bool, **data_kwargs: Any
) -> None:
    """Write a model to a folder, as :meth:`~scpi.model.base.ModelBase.save`."""
    if folder.exists() and not (overwrite and folder.is_dir()):
        msg = f"{str(folder)!r} already exists: choose another folder, or replace the model in it by `overwrite=True`."
        raise ValueError(msg)
    if refused := sorted(_NOT_OURS & set(data_kwargs)):
        msg = f"Models of scpi are saved without {refused}."
        raise TypeError(msg)
    if {"/", "\\"} & set(prefix):
        msg = f"`prefix` must be the beginning of a file name, got {prefix!r}."
        raise ValueError(msg)
    if save_anndata and model.adata is None:
        msg = "The model was loaded without data, so no data can be saved with it."
        raise ValueError(msg)
    try:
        write_folder(folder, prefix, content_of(model), model.adata if save_anndata else None, **data_kwargs)
    except OSError as error:
        msg = f"The model was not saved, and what {str(folder)!r} held is unchanged: {error}"
        raise OSError(msg) from error


def check_model(cls: type[Any], saved: Saved, allowed: tuple[str, ...]) -> None:
    """Refuse a model of a different class, or one that no setup of scpi made."""
    registry = saved.content.registry
    name = registry.get(_MODEL_NAME_KEY)
    if name not in {cls.__name__, *allowed}:
        msg = f"{str(saved.path)!r} holds a model of a different class, {name}: load it with that class."
        raise ValueError(msg)
    if registry.get(_SETUP_METHOD_NAME) not in _READERS or _SETUP_ARGS_KEY not in registry:
        raise damaged(saved.path, "it does not say how its data was set up")
    attributes = saved.content.attributes
    wrong = [name for name in attributes if not name.endswith("_") or name.startswith("_")]
    if wrong or not {"init_params_", "var_names_"} <= set(attributes):
        raise damaged(saved.path, f"its attributes are wrong: {wrong or list(attributes)}")


def read_data(saved: Saved) -> AnnData | MuData | None:
    """The cells that were saved with a model; ``None`` if there are none."""
    if saved.data is None:
        return None
    if saved.files is not None:
        check_file(saved.data, saved.files)
    data: AnnData | MuData = _READERS[saved.content.registry[_SETUP_METHOD_NAME]](saved.data)
    return data


def restore(cls: type[Any], saved: Saved, adata: AnnData | MuData | None, device: Any) -> Any:
    """The saved model, with cells that are set up as those it was trained on."""
    registry = saved.content.registry
    if adata is not None:
        setup = getattr(cls, registry[_SETUP_METHOD_NAME])
        setup(adata, source_registry=registry, **registry[_SETUP_ARGS_KEY])
    try:
        model = _construct(cls, saved, adata)
        model.module.on_load(model, pyro_param_store=None)
        model.module.load_state_dict(saved.content.state)
    except _UNFIT as error:
        raise damaged(saved.path, str(error)[:200]) from error
    model.to_device(device)
    model.module.eval()
    if adata is not None:
        model._validate_anndata(adata)
    return model


def untrained(model: Any) -> Any:
    """A new model with the arguments of another one, on the same cells and with their setup.

    A copy of the cells that was set up later has their identifier, under which scvi-tools would find it.
    """
    init = {"init_params_": copy.deepcopy(model.init_params_)}
    cls, manager = type(model), model.adata_manager
    latest = cls._setup_adata_manager_store.get(manager.adata_uuid, manager)
    cls.register_manager(manager)
    try:
        return _initialize_model(cls, model.adata, model.registry, init, None)
    finally:
        cls.register_manager(latest)


def _construct(cls: type[Any], saved: Saved, adata: AnnData | MuData | None) -> Any:
    """A model with the attributes and the settings of the saved one."""
    attributes = dict(saved.content.attributes)
    init = attributes.pop("init_params_")
    settings = saved.content.preset.get("settings", {})
    model = _initialised(cls, saved, adata, copy.deepcopy(init))
    if changed := _differences(model, settings):
        # The preset has other values than when the model was saved
        named = init["non_kwargs"]
        named |= {name: changed.pop(name) for name in set(named) & set(changed)}
        init["kwargs"]["settings"] = changed
        model = _initialised(cls, saved, adata, init)
    if changed := _differences(model, settings):
        msg = f"{str(saved.path)!r} was saved with settings that this scpi does not have: {changed}."
        raise ValueError(msg)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def _initialised(cls: type[Any], saved: Saved, adata: AnnData | MuData | None, init: Any) -> Any:
    """A new model of the saved setup, with these arguments."""
    try:
        return _initialize_model(cls, adata, saved.content.registry, {"init_params_": init}, None)
    except ValueError as error:
        msg = f"The model of {str(saved.path)!r} cannot be built: {' '.join(str(error).split())}"
        raise ValueError(msg) from error


def _differences(model: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Saved settings that the preset of a model does not have."""
    return {name: value for name, value in settings.items() if getattr(model.preset_, name, None) != value}
