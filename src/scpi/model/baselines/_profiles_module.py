"""The module of the baselines, which has profiles and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.base.prediction._profile_buffers import ProfileBuffers
from scpi.model.base.training._plan_module import PlanModule

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ProfilesModule(ProfileBuffers, PlanModule):
    """Holds profiles instead of a network, and further arrays of a baseline, named in ``more``."""

    @property
    def device(self) -> torch.device:
        """Device of the profiles; scvi-tools reads it from the parameters, but there are none."""
        return self.get_buffer("control").device

    def encode(self, x: Tensor) -> Tensor:
        """Return the cells unchanged."""
        return x
