"""The module of the composition model, which holds the training groups and has no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.base.prediction._profile_buffers import ArrayBuffers
from scpi.model.base.training._plan_module import PlanModule

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GROUP_ARRAYS = ("codes", "n_cells", "exposure", "total_mean", "total_square", "largest_mean", "largest_square")


class GroupsModule(ArrayBuffers, PlanModule):
    """Holds the training groups: codes of the covariates, numbers of cells, exposures, and sums of logarithms of sizes."""

    def __init__(self) -> None:
        super().__init__(GROUP_ARRAYS)

    @property
    def device(self) -> torch.device:
        """Device of the groups; scvi-tools reads it from the parameters, but there are none."""
        return self.get_buffer("codes").device

    def encode(self, x: Tensor) -> Tensor:
        """The cells themselves."""
        return x
