"""Penalties that separate the units of a model. Every term is differentiable, and 0 for separate units."""

from __future__ import annotations

import torch
from torch import Tensor

# Below this standard deviation a unit is silent in the batch, and has no correlations
_LEAST_DEVIATION = 1e-6
# Keeps the logarithm of the determinant of a singular correlation matrix finite
_RIDGE = 1e-2


def weight_orthogonality(weight: Tensor) -> Tensor:
    """Frobenius norm of the identity less ``weight @ weight.T``, for weights into the units, (n_units, n_inputs)."""
    return torch.linalg.matrix_norm(torch.eye(len(weight)).to(weight) - weight @ weight.T)


def activation_correlation(z: Tensor) -> Tensor:
    """Mean squared correlation of different units, (n_cells, n_units), over those that are not silent in the batch."""
    correlation = _correlation(z)
    return _mean_square_between(correlation) if len(correlation) > 1 else z.sum() * 0.0


def total_correlation(z: Tensor) -> Tensor:
    """Total correlation, in nats, of a normal distribution with the correlations of ``z``, (n_cells, n_units)."""
    correlation = _correlation(z)
    ridge = torch.eye(len(correlation)).to(z) * _RIDGE
    return -0.5 * (torch.logdet((correlation + ridge) / (1.0 + _RIDGE)) if len(correlation) else z.sum() * 0.0)


def decoder_overlap(effect: Tensor) -> Tensor:
    """Mean squared cosine between the sizes of the effects of units, (n_units, n_genes): 0 where no gene has two."""
    size = effect.abs()
    length = size.norm(dim=1)
    present = length > _LEAST_DEVIATION
    if present.sum() < 2:
        return effect.sum() * 0.0
    unit = size[present] / length[present, None]
    return _mean_square_between(unit @ unit.T)


def _mean_square_between(matrix: Tensor) -> Tensor:
    """Mean square of the entries off the diagonal."""
    n = len(matrix)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / (n * (n - 1))


def _correlation(z: Tensor) -> Tensor:
    """Correlations between units that are not silent."""
    centred = z - z.mean(0)
    variance = centred.square().mean(0)
    present = variance.detach() > _LEAST_DEVIATION**2
    # The variance is differentiated too: no gradient can make units small instead of unlike
    scaled = centred[:, present] * variance[present].rsqrt()
    return scaled.T @ scaled / len(z)
