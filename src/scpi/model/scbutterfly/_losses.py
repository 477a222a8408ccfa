"""Terms of the objective."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

if TYPE_CHECKING:
    from torch import Tensor

    from scpi.model.scbutterfly._networks import Normal

_SURE, _UNSURE = 0.8, 0.2


def kl_to_standard(posterior: Normal) -> Tensor:
    """Kullback-Leibler divergence to a standard normal distribution, averaged over cells and variables."""
    mean, log_variance = posterior
    return -0.5 * (1.0 + log_variance - mean.square() - log_variance.exp()).mean()


def soft_labels(uniform: Tensor) -> Tensor:
    """Labels of the embeddings that discriminators are shown: above 0.5 for one of an encoder.

    They are draws from 0 to 1, of which those from 0.2 to 0.8 become 0.2 or 0.8, whichever is on their side of 0.5.
    """
    middle = torch.where(uniform > 0.5, _SURE, _UNSURE)
    return torch.where((uniform > _SURE) | (uniform <= _UNSURE), uniform, middle)


def mixed(encoded: Tensor, translated: Tensor, label: Tensor) -> Tensor:
    """For each cell, the embedding of the encoder or of the translator, as its label says."""
    return torch.where((label > 0.5).unsqueeze(1), encoded, translated)


def discrimination(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of the labels, averaged over cells."""
    return binary_cross_entropy_with_logits(logits, label)


def adversarial(discriminator_loss: Tensor, *, limit: float) -> Tensor:
    """Adversarial loss of the networks: the negative loss of the discriminators, while it is below a limit."""
    return -torch.where(discriminator_loss < limit, discriminator_loss, torch.zeros_like(discriminator_loss))
