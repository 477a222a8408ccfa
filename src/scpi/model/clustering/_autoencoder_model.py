"""Base class of clustering models that decode their embedding to counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from scpi.attribution import DecoderTarget
from scpi.model.clustering._model import ClusteringModel

if TYPE_CHECKING:
    from scpi.model.clustering._autoencoder_module import AutoencoderModule


class AutoencoderModel(ClusteringModel):
    """Base class of the autoencoders with clusters in their embedding."""

    module: AutoencoderModule

    def decoder_target(self) -> DecoderTarget:
        """Differentiable function of the embedding, for the effects of its dimensions on the genes.

        Returns
        -------
        The function from the embedding to the logarithm of the mean counts at median depth, without lost counts, and the
        names of the dimensions.
        """
        self._check_if_trained(warn=False)
        decoder = self.module.eval().decoder
        return DecoderTarget(lambda z: decoder(z, torch.ones_like(z[:, :1]))[0], self._units())
