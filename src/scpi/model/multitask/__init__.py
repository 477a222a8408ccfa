"""A multi-task autoencoder of perturbations."""

from scpi.model.multitask._model import MultiTaskAE

__all__ = ["MultiTaskAE"]
