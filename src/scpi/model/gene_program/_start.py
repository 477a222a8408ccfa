"""Initialisation of gene programs: units from log expression, and moments of the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import linalg

from scpi.model.gene_program._candidates import starting_units

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_RIDGE = 1.0
_THETA_RANGE = 0.1, 100.0
_LEAST = 1e-8


@dataclass(frozen=True, kw_only=True)
class Start:
    """Units, weights and moments to start from."""

    weight: Tensor
    """Weights of the units for the genes, (n_units, n_genes)."""
    encoder: Tensor
    """Linear map from the input to the units, (n_genes, n_units)."""
    mean: Tensor
    """Means of the units, (n_units,)."""
    level: Tensor
    """Logarithm of the fraction of the depth for each gene, (n_genes,)."""
    theta: Tensor
    """Inverse overdispersion of each gene, (n_genes,)."""


def find_start(
    logged: NDArray[np.float32],
    x: NDArray[np.float32],
    *,
    n_units: int,
    allowed: NDArray[np.bool_] | None,
    mean: Tensor,
    variance: Tensor,
) -> Start:
    """Find units of the logarithms, and fit a linear map from the input to them.

    ``logged`` are logarithms of normalised counts, which are not negative, and ``x`` the input of the network, both
    (n_cells, n_genes). With ``allowed``, (n_units, n_genes), units start from the mean of the genes that they may have
    instead. ``mean`` and ``variance`` are those of the counts of each gene at median depth.
    """
    units, weight = starting_units(logged, n_units) if allowed is None else _of_sets(x, allowed)
    # Units of size one: steps of the encoder are small beside them, however many genes there are
    scale = np.sqrt(np.mean(units**2, axis=0))
    scale = np.where(scale > _LEAST, scale, 1.0)
    units, weight = units / scale, weight * scale[:, None]
    return Start(
        weight=torch.from_numpy(weight.astype(np.float32)),
        encoder=torch.from_numpy(_ridge(x, units).astype(np.float32)),
        mean=torch.from_numpy(units.mean(0).astype(np.float32)),
        level=(mean / mean.sum()).clamp(min=_LEAST).log().float(),
        theta=(mean.square() / (variance - mean).clamp(min=1e-6)).clamp(*_THETA_RANGE),
    )


def _of_sets(x: NDArray[np.float32], allowed: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    member = allowed.astype(np.float64)
    size = np.maximum(member.sum(1), 1.0)
    return np.maximum(x @ member.T / size, 0.0), member


def _ridge(x: NDArray[np.float32], units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of a ridge regression of units on the input, in the smaller of the two spaces."""
    n, n_genes = x.shape
    centred = (x - x.mean(0)).astype(np.float64)
    target = units - units.mean(0)
    if n_genes <= n:
        gram = centred.T @ centred
        gram.flat[:: n_genes + 1] += _RIDGE * n
        return np.asarray(linalg.solve(gram, centred.T @ target, assume_a="pos", overwrite_a=True))
    gram = centred @ centred.T
    gram.flat[:: n + 1] += _RIDGE * n
    return np.asarray(centred.T @ linalg.solve(gram, target, assume_a="pos", overwrite_a=True))
