"""Plots: matplotlib figures of what an AnnData already holds."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
