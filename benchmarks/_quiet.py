"""What long benchmarks begin with."""

from __future__ import annotations

import logging
import warnings

import torch


def one_quiet_thread() -> None:
    """Use one thread, so that tasks side by side do not wait for each other, and print nothing at each training."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
