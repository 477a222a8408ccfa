"""Pure functions of arrays that say how good a prediction, a clustering, a graph or a ranking is."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
