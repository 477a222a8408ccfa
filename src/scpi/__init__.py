"""scpi: perturbation prediction and interpretability for single-cell data.

Every namespace is imported on first use, so that ``import scpi`` is fast.
"""

import logging

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# A library is silent until the user raises the verbosity (`scpi.settings.verbosity`) or configures logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())
