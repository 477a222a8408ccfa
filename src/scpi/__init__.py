"""scpi: perturbation prediction and interpretability for single-cell data.

Every namespace is imported on first use, so that ``import scpi`` is fast.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi import attribution as attribution
    from scpi import benchmark as benchmark
    from scpi import datasets as datasets
    from scpi import de as de
    from scpi import get as get
    from scpi import metrics as metrics
    from scpi import model as model
    from scpi import pl as pl
    from scpi import screen as screen
    from scpi import tl as tl
    from scpi._settings import settings as settings

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"settings": "_settings"},
    submodules=("attribution", "benchmark", "datasets", "de", "get", "metrics", "model", "pl", "screen", "tl"),
)

# A library is silent until the user raises the verbosity (`scpi.settings.verbosity`) or configures logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())
