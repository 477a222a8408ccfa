"""Cells that a SENAVAE of counts draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from scpi.model.senavae._prediction import log_counts

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base._screen_model import ScreenModel
    from scpi.model.base.screen_generation._mixin import ScreenGenerationMixin
    from scpi.model.base.targets._latent import LatentMixin
    from scpi.model.senavae._prediction import EffectsMixin, Parts

    class Host(ScreenGenerationMixin, EffectsMixin, LatentMixin, ScreenModel):
        """Class that the mixin extends."""

        n_factors_: int

else:
    Host = object


class _Effect(NamedTuple):
    """Effect of a condition on cells of a context."""

    parts: Parts
    """Conditions whose decoded changes are added or subtracted."""
    change: NDArray[np.floating[Any]]
    """Additive effect beside these, the logarithm of a ratio of counts, (n_genes,)."""


class NoisyCellsMixin(Host):
    """Counts of cells by what is decoded from their noise, and the change under a perturbation."""

    @property
    def _reads_batch(self) -> bool:
        return self.module.decoder.n_batch > 0

    @property
    def _n_units(self) -> int:
        return self.n_factors_

    def _effect_of(self, adata: AnnData | MuData, members: NDArray[np.float32], context: int) -> _Effect:
        return _Effect(self._parts(members), self._effect(adata, members.sum(axis=0), context))

    def _decoded_rates(self, z: Tensor, effect: Any, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        # Ratios do not depend on the depth, but what is too small for one does
        depth = self.module.size_scale.expand(len(z), 1)
        inputs = {"z": z, "depth": depth, "batch": batch}
        before = self.module.generative(**inputs)["mean"]
        change = self._decoded_change(inputs, before, effect.parts) + torch.from_numpy(effect.change).to(before)
        return log_counts(before), change

    def _inverse_overdispersion(self) -> Tensor:
        return self.module.log_scale.detach().exp()

    @torch.inference_mode()
    def _posterior(
        self, adata: AnnData | MuData, cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        parts = [self.module.encode(x) for x in self._inputs(adata, cells)]
        mean, variance = (torch.cat(part) for part in zip(*parts, strict=True))
        # Latent units of a perturbed cell include the shift of its perturbation, which is subtracted from the noise
        designs, condition = self._conditions(adata)
        shift = self.module.intervention(torch.from_numpy(designs).to(mean))[condition[cells]]
        return (mean - shift).cpu().numpy(), variance.sqrt().cpu().numpy()

    def _control_units(self, adata: AnnData | MuData, context: int) -> NDArray[np.floating[Any]]:
        return self._control_mean(adata, np.zeros((0, 0)), context, lambda cells: self._posterior(adata, cells)[0])
