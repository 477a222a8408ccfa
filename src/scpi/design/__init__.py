"""Design of experiments: which perturbations to measure next, and how many cells are needed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
