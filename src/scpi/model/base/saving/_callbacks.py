"""What scvi-tools' callbacks can do with models that are not saved in its format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scvi.train import SaveCheckpoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightning.pytorch import Callback

_READING = ("load_best_on_end", "check_nan_gradients")


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
                f"`SaveCheckpoint({option}=True)` reads the format of scvi-tools, but scpi saves models in its own: leave the "
                "option out, and load the folder `best_model_path` with `load` after training."
            )
            raise ValueError(msg)
