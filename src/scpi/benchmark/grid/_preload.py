"""What the process that tasks are forked from imports, once for all of them."""

from __future__ import annotations

import lightning.pytorch
import scvi
import torch

import scpi.benchmark.grid._compute
import scpi.benchmark.grid._environment
import scpi.benchmark.grid._kinds._prediction
import scpi.model.base
import scpi.model.baselines

__all__ = ["lightning", "scpi", "scvi", "torch"]
