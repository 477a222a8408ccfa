"""Networks whose training plan computes the losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scvi.module.base import BaseModuleClass, LossOutput

from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class PlanModule(BaseModuleClass):
    """Network whose training plan computes the losses; for scvi-tools, it returns latent units.

    Subclasses implement ``encode``, from the input of the network to the latent units.
    """

    encode: Callable[..., Tensor]

    def _get_inference_input(self, tensors: dict[str, Tensor], **kwargs: Any) -> dict[str, Tensor]:
        return {"x": tensors.get(KEYS.INPUT, tensors[KEYS.X])}

    def inference(self, x: Tensor) -> dict[str, Tensor]:
        """Latent units."""
        return {"z": self.encode(x)}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor], **kwargs: Any
    ) -> dict[str, Tensor]:
        return inference_outputs

    def generative(self, z: Tensor) -> dict[str, Tensor]:
        """Not available, as decoding depends on more than the units."""
        msg = f"{type(self).__name__} implements its own decoding."
        raise NotImplementedError(msg)

    def loss(self, *args: Any, **kwargs: Any) -> LossOutput:
        """Not available, as the objective depends on the phase of the training."""
        msg = "The training plan computes the losses."
        raise NotImplementedError(msg)
