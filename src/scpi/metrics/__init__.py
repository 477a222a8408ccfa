"""Pure functions of arrays that say how good a prediction, a graph or a ranking is."""

from __future__ import annotations

from scpi.metrics._mmd import mmd, multi_kernel_bandwidths

__all__ = ["mmd", "multi_kernel_bandwidths"]
