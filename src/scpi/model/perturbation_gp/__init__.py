"""Perturbations that were never measured, predicted from what is known of their genes or compounds."""

from scpi.model.perturbation_gp._model import PerturbationGP

__all__ = ["PerturbationGP"]
