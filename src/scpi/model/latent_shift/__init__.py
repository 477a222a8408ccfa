"""Autoencoders that predict perturbations by shifts of their latent space."""

from scpi.model.latent_shift._scgen import SCGEN
from scpi.model.latent_shift._scvidr import SCVIDR

__all__ = ["SCGEN", "SCVIDR"]
