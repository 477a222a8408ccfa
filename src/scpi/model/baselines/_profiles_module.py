"""The module of the baselines, which has profiles and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scvi.module.base import BaseModuleClass, LossOutput

from scpi.model.base._constants import KEYS
from scpi.model.base.prediction._profile_buffers import ProfileBuffers

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ProfilesModule(ProfileBuffers, BaseModuleClass):
    """Holds profiles, and what else a baseline learns, in the place of a network.

    Parameters
    ----------
    more
        Names of what else is kept.
    """

    @property
    def device(self) -> torch.device:
        """Where the profiles are; scvi-tools asks the parameters, of which there are none."""
        return self.get_buffer("control").device

    def _get_inference_input(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"x": tensors[KEYS.X]}

    def inference(self, x: Tensor) -> dict[str, Tensor]:
        """The cells themselves."""
        return {"z": x}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        return inference_outputs

    def generative(self, z: Tensor) -> dict[str, Tensor]:
        """The cells themselves."""
        return {"mean": z}

    def loss(self, *args: Any, **kwargs: Any) -> LossOutput:
        """A baseline has no objective."""
        msg = "A baseline is not trained by gradients."
        raise NotImplementedError(msg)
