"""Imports of the process from which tasks are forked, shared by all of them."""

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
