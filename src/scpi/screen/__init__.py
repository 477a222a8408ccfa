"""From a screen to trained models, scored predictions, a causal graph and a report, in one call."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
