"""SENA-discrepancy-VAE."""

from scpi.model.senavae._model import SENAVAE

__all__ = ["SENAVAE"]
