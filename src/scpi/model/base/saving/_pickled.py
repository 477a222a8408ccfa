"""The file of scvi-tools, which is a pickle: reading it can run code."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch
from scvi.model.base._constants import SAVE_KEYS

from scpi.model.base.saving._document import damaged

if TYPE_CHECKING:
    from pathlib import Path


def read_pickled(path: Path) -> dict[str, dict[str, Any]]:
    """What a file of scvi-tools holds of a model, under the names of what scpi saves.

    Raises
    ------
    ValueError
        If the file is damaged or holds something else.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=False)
        attributes, state = dict(saved[SAVE_KEYS.ATTR_DICT_KEY]), dict(saved[SAVE_KEYS.MODEL_STATE_DICT_KEY])
        registry, preset = attributes.pop("registry_"), attributes.pop("preset_", None)
    except (EOFError, pickle.UnpicklingError, RuntimeError, AttributeError, LookupError, TypeError, OSError) as error:
        raise damaged(path, f"or is no model: {error}") from error
    # No model of scpi has parameters of Pyro
    state.pop("pyro_param_store", None)
    settings = {} if preset is None else {"settings": vars(preset)}
    return {"registry": registry, "attributes": attributes, "preset": settings, "state": state}
