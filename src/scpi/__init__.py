"""scpi: perturbation prediction and interpretability for single-cell data.

Every namespace is imported on first use, so that ``import scpi`` is fast.
"""

import lazy_loader

# Messages are shown as soon as the package is imported
import scpi._settings  # noqa: F401

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
