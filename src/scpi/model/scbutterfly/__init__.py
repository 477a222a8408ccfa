"""Two autoencoders, of control and treated cells, and a translator between them."""

from scpi.model.scbutterfly._model import SCButterfly

__all__ = ["SCButterfly"]
