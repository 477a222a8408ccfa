"""Cells that a multi-task autoencoder of counts draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.prediction._latent_shift_mixin import LatentShiftMixin
    from scpi.model.base.screen_generation._mixin import ScreenGenerationMixin
    from scpi.model.multitask._module import MultiTaskModule
    from scpi.model.multitask._transfer import Transfer

    class Host(ScreenGenerationMixin, LatentShiftMixin):
        """Class that the mixin extends."""

        module: MultiTaskModule

        def _change(self, before: Tensor, after: Tensor, transfer: Transfer | None) -> NDArray[np.float32]:
            """Logarithm of the ratio of counts."""
            raise NotImplementedError

else:
    Host = object


class DecodedCellsMixin(Host):
    """Counts of cells by what is decoded before a change, and the change."""

    def _decoded_rates(self, z: Tensor, effect: Any, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        before, after = effect.decode(self.module, z)
        return before, torch.from_numpy(self._change(before, after, effect.transfer)).to(before)

    def _inverse_overdispersion(self) -> Tensor:
        assert self.module.log_theta is not None
        return self.module.log_theta.detach().exp()

    @torch.inference_mode()
    def _posterior(
        self, adata: AnnData | MuData, cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # Changes are those of the means, as in predictions: the sum of two codes was never decoded from draws around them
        z = self._latent_means(adata, cells, None)
        designs, condition = self._conditions(adata)
        perturbed = np.flatnonzero(designs[condition[cells]].any(1))
        if len(perturbed):
            own = cells[perturbed]
            z[perturbed] -= self._shifts(adata, own, designs[condition[own]]).astype(np.float32)
        return z, np.zeros_like(z)

    def _control_units(self, adata: AnnData | MuData, context: int) -> NDArray[np.floating[Any]]:
        return self._latent_control(adata, self.module.kept.profiles(), context)

    def _prior(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        msg = "A MultiTaskAE decodes changes of control cells, not of draws from a prior: use `latent='posterior'`."
        raise ValueError(msg)
