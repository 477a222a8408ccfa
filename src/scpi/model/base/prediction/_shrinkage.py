"""Effects of perturbations shrunk by their noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._matrix import as_dense, sum_cells
from scpi.model.base.prediction._regression import member_effects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles

# Prior of the mixture: this fraction of the genes was seen before without an effect, which keeps pure noise at zero
_NULL = 0.01
_MAX_ITERATIONS = 500
_TOLERANCE = 1e-4


def shrink(effects: NDArray[np.floating], errors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Posterior means of effects with these standard errors, (n_perturbations, n_genes).

    The true effects of a perturbation on the genes are a sample from a mixture of normal distributions around zero,
    one of them zero itself, whose weights are estimated from all genes: adaptive shrinkage (Stephens, 2017,
    Biostatistics 18:275). A perturbation without effects is shrunk to nothing, and a large effect hardly at all.
    Effects without an error are kept.
    """
    effects = np.asarray(effects, dtype=np.float64)
    shrunk = effects.copy()
    for row, own, error in zip(shrunk, effects, np.asarray(errors, dtype=np.float64), strict=True):
        noisy = error > 0
        if noisy.any():
            row[noisy] = _posterior_means(own[noisy], np.square(error[noisy]))
    return shrunk


def _posterior_means(effects: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    prior = _prior_variances(effects, variance)
    total = prior + variance[:, None]
    log_density = -0.5 * (np.log(total) + np.square(effects)[:, None] / total)
    density = np.exp(log_density - log_density.max(1, keepdims=True))
    weights = np.full(len(prior), 1 / len(prior))
    for _ in range(_MAX_ITERATIONS):
        posterior = density * weights
        posterior /= posterior.sum(1, keepdims=True)
        updated = posterior.mean(0) / (1 + _NULL)
        updated[0] += _NULL / (1 + _NULL)
        change, weights = np.abs(updated - weights).max(), updated
        if change < _TOLERANCE:
            break
    posterior = density * weights
    posterior /= posterior.sum(1, keepdims=True)
    return np.asarray(effects * np.einsum("gk,gk->g", posterior, prior / total))


def _prior_variances(effects: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Zero, and variances that grow fourfold from a hundredth of the smallest error to four times the largest effect."""
    largest = 4 * np.square(effects).max()
    least = variance.min() / 100
    n = max(1, int(np.ceil(np.log(max(largest / least, 1.0)) / np.log(4))) + 1)
    return np.concatenate([[0.0], least * 4.0 ** np.arange(n)])


def effect_errors(
    profiles: Profiles,
    variance: NDArray[np.floating],
    *,
    n_controls: NDArray[np.int64],
    slope: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> NDArray[np.float64]:
    """Standard errors of :func:`member_effects` of ``profiles``, perturbations x genes.

    ``variance`` is that of a gene between cells of one condition, and ``slope`` the derivative of the scale of the
    effects by the mean expression, of the treated pairs and of the controls of the contexts.
    """
    there = n_controls > 0
    # Contexts without controls are compared with the mean of the others
    compared = np.where(there[:, None], np.eye(len(there)), there / there.sum())[:, there]
    treated, control = (np.square(values) * variance for values in slope)
    weights = member_effects(profiles.design, np.eye(len(profiles.design)), profiles.n_cells)
    of_controls = weights @ compared[profiles.context]
    squared = np.square(weights) @ (treated / profiles.n_cells[:, None])
    return np.asarray(np.sqrt(squared + np.square(of_controls) @ (control[there] / n_controls[there, None])))


def variance_within(
    x: Any, cells: NDArray[np.int64], profiles: Profiles, *, n_controls: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Variance of each gene between cells of the same context and condition, (n_genes,).

    ``cells`` are the rows of ``x`` that the ``profiles`` are the means of.
    """
    codes = np.full(x.shape[0], -1, dtype=np.intp)
    codes[cells] = 0
    squares = as_dense(sum_cells(x, codes, 1, check=_squared), np.float64)[0]
    there = n_controls > 0
    explained = profiles.n_cells @ np.square(profiles.treated)
    explained = explained + n_controls[there] @ np.square(profiles.control[there])
    degrees = len(cells) - len(profiles.n_cells) - there.sum()
    return np.asarray(np.maximum(squares - explained, 0.0) / max(degrees, 1))


def _squared(block: Any) -> Any:
    # In double precision: the variance is a small difference of large sums
    block = block.astype(np.float64)
    return block.multiply(block).tocsr() if hasattr(block, "multiply") else np.square(block)
