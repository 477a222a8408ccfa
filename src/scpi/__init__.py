"""scpi: perturbation prediction and interpretability for single-cell data.

Every namespace is imported when it is first used, so ``import scpi`` itself is cheap.
"""

import logging

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# A library stays silent until the user asks for more (`scpi.settings.verbosity`) or configures logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())
