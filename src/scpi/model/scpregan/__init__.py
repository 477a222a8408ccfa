"""Adversarial transfer of cells between the arms of a screen."""

from scpi.model.scpregan._model import SCPREGAN

__all__ = ["SCPREGAN"]
