"""What keeps the units of a model apart. Every term is differentiable and falls to 0 where they are apart."""

from __future__ import annotations

import torch
from torch import Tensor

# Below this standard deviation a unit is silent in the batch, and has no correlations
_LEAST_DEVIATION = 1e-6
# Keeps the logarithm of the determinant of a singular correlation matrix finite
_RIDGE = 1e-2


def weight_orthogonality(weight: Tensor) -> Tensor:
    """Frobenius norm of the identity less the product of the weights into the units with themselves.

    Parameters
    ----------
    weight
        Weights, (n_units, n_inputs).
    """
    return torch.linalg.matrix_norm(torch.eye(len(weight)).to(weight) - weight @ weight.T)


def activation_correlation(z: Tensor) -> Tensor:
    """Mean squared correlation between different units, over the units that are not silent in the batch.

    Parameters
    ----------
    z
        Units of the cells of a batch, (n_cells, n_units).
    """
    correlation = _correlation(z)
    n = len(correlation)
    if n < 2:
        return z.sum() * 0.0
    return (correlation.square().sum() - correlation.diagonal().square().sum()) / (n * (n - 1))


def total_correlation(z: Tensor) -> Tensor:
    """Total correlation of a normal distribution with the correlations of the units, in nats.

    Parameters
    ----------
    z
        Units of the cells of a batch, (n_cells, n_units).
    """
    correlation = _correlation(z)
    ridge = torch.eye(len(correlation)).to(z) * _RIDGE
    return -0.5 * (torch.logdet((correlation + ridge) / (1.0 + _RIDGE)) if len(correlation) else z.sum() * 0.0)


def decoder_overlap(effect: Tensor) -> Tensor:
    """Mean squared cosine between the sizes of the effects of different units: 0 where no gene has two.

    Parameters
    ----------
    effect
        Effects of units on genes, (n_units, n_genes).
    """
    size = effect.abs()
    length = size.norm(dim=1)
    present = length > _LEAST_DEVIATION
    n = int(present.sum())
    if n < 2:
        return effect.sum() * 0.0
    unit = size[present] / length[present, None]
    cosine = unit @ unit.T
    return (cosine.square().sum() - cosine.diagonal().square().sum()) / (n * (n - 1))


def _correlation(z: Tensor) -> Tensor:
    """Correlations between units that are not silent."""
    centred = z - z.mean(0)
    variance = centred.square().mean(0)
    present = variance.detach() > _LEAST_DEVIATION**2
    # The variance is differentiated too: no gradient can make units small in place of unlike
    scaled = centred[:, present] * variance[present].rsqrt()
    return scaled.T @ scaled / len(z)
