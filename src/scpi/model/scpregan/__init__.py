"""Adversarial transfer of cells between the control and the treated cells of a screen."""

from scpi.model.scpregan._model import SCPREGAN

__all__ = ["SCPREGAN"]
