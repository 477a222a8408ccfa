"""The Deep Generative Decoder: free representations under a Gaussian mixture."""

from scpi.model.dgd._model import DGD

__all__ = ["DGD"]
