"""Common setup of long benchmarks."""

from __future__ import annotations

import logging
import warnings

import torch


def one_quiet_thread() -> None:
    """Use one thread, so that parallel tasks do not compete, and silence the messages of training runs."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
