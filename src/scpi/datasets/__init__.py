"""Public screens, which are downloaded and verified, and simulators with known truth."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
