"""The format of scvi-tools, which is a pickle: reading it can run code."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch
from scvi.model.base._constants import SAVE_KEYS
from scvi.train import SaveCheckpoint

from scpi.model.base.saving._document import damaged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lightning.pytorch import Callback

# Options of callbacks that read this format
_READING = ("load_best_on_end", "check_nan_gradients")


def read_pickled(path: Path) -> dict[str, dict[str, Any]]:
    """Read a model from a file of scvi-tools, under the names that scpi uses.

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


def check_callbacks(callbacks: Iterable[Callback]) -> None:
    """Refuse callbacks that read a saved model in the format of scvi-tools.

    Raises
    ------
    ValueError
        Before training, rather than at its end.
    """
    checkpoints = [callback for callback in callbacks if isinstance(callback, SaveCheckpoint)]
    for option in _READING:
        if any(getattr(callback, option, False) for callback in checkpoints):
            msg = (
                f"`SaveCheckpoint({option}=True)` reads the format of scvi-tools, but scpi saves models in its own: omit "
                "the option, and load the folder `best_model_path` with `load` after training."
            )
            raise ValueError(msg)
