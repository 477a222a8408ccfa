"""Similarity of the mean effects of perturbations that are compared with the same control cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse, stats

from scpi.tl._responder_mixture import whiten

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Factor of the variance that the noise of shared controls adds to a product of two changes without an effect. Perturbations
# that exceed noise only because of the controls all have the direction of this noise; with 3 they are rarely called alike
SHARED_PENALTY = 3.0
# The end of an interval is accurate to 2 to the power of minus this number
N_BISECTIONS = 24


class GroupMoments(NamedTuple):
    """Moments of groups of cells, of which the first one, the controls, has the identity as its covariance."""

    sizes: NDArray[np.float64]
    """Number of cells, groups x batches."""
    means: NDArray[np.float64]
    """Mean of the whitened cells, groups x batches x components; 0 without cells."""
    variance: NDArray[np.float64]
    """Variance of the cells of each group within batches, the mean over the components."""
    n_directions: float
    """Number of independent directions of noise: that of components if the covariance of all groups is the identity."""
    n_free: int
    """Degrees of freedom of the covariance of the controls."""


class Effects(NamedTuple):
    """Difference of each perturbation from the controls of the same batches."""

    change: NDArray[np.float64]
    """Mean difference, perturbations x components; NaN if no batch has cells of both."""
    weight: NDArray[np.float64]
    """Weight of each batch in it, perturbations x batches."""
    noise: NDArray[np.float64]
    """Variance of the difference, the mean over the components."""
    strength: NDArray[np.float64]
    """Length of the difference, corrected for noise; 0 if noise explains it."""
    pval: NDArray[np.float64]
    """Probability of a difference at least as long without an effect."""


class PairNoise(NamedTuple):
    """Noise of pairs of vectors, relative to their lengths. It is normal and the same in all directions."""

    first: NDArray[np.float64]
    """Variance of the first vector per component, over its squared length."""
    second: NDArray[np.float64]
    """The same for the second vector."""
    shared: NDArray[np.float64]
    """Covariance of the two per component, over the product of their lengths."""
    n_components: int
    n_free: float
    """Degrees of freedom of the covariance by which the vectors were whitened."""


class Pairs(NamedTuple):
    """Comparison of pairs of perturbations, in the order of :func:`scipy.spatial.distance.pdist`."""

    similarity: NDArray[np.float64]
    """Cosine of the two effects, corrected for noise and for shared controls."""
    similarity_low: NDArray[np.float64]
    """Lower end of its confidence interval."""
    similarity_high: NDArray[np.float64]
    """Upper end of its confidence interval."""
    pval: NDArray[np.float64]
    """Probability of a cosine at least as far from 0 if the directions of the two effects are unrelated."""


def whitened_moments(values: ArrayLike, codes: NDArray[np.intp], batch: NDArray[np.intp]) -> GroupMoments:
    """Whiten cells by the covariance of the controls within batches, and compute the moments of each group.

    Group 0 are the controls. Cells with a negative code are left out.
    """
    used = codes >= 0
    x, codes, batch = np.asarray(values, dtype=np.float64)[used], codes[used], batch[used]
    shape = (int(codes.max()) + 1, int(batch.max()) + 1)
    cell = codes * shape[1] + batch
    member = sparse.csr_array((np.ones(len(x)), (cell, np.arange(len(x)))), shape=(shape[0] * shape[1], len(x)))
    sizes = np.bincount(cell, minlength=shape[0] * shape[1]).astype(np.float64)
    means = member @ x / np.maximum(sizes, 1)[:, None]
    residuals = x - means[cell]
    axes = _axes(residuals, sizes[cell], codes == 0)
    residuals = residuals @ axes
    squares = np.bincount(codes, weights=(residuals**2).mean(axis=1), minlength=shape[0])
    sizes = sizes.reshape(shape)
    n_free = sizes.sum(axis=1) - (sizes > 0).sum(axis=1)
    covariance = residuals.T @ residuals
    return GroupMoments(
        sizes=sizes,
        means=(means @ axes).reshape(*shape, -1),
        # The variance of the controls counts as one cell, as a group may have a single cell in each batch
        variance=(squares + 1) / (n_free + 1),
        n_directions=float(np.trace(covariance) ** 2 / (covariance**2).sum()),
        n_free=int(n_free[0]),
    )


def _axes(
    residuals: NDArray[np.float64], sizes: NDArray[np.float64], is_control: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Compute the matrix that whitens control cells, from their residuals and the numbers of cells behind the means."""
    chosen = is_control & (sizes > 1)
    if not chosen.any():
        msg = "No batch has two control cells, so that the variation of control cells is not known. Omit `batch_key`."
        raise ValueError(msg)
    # Residuals from the mean of few cells are too small
    x = residuals[chosen] * np.sqrt(sizes[chosen] / (sizes[chosen] - 1))[:, None]
    spread = x.std(axis=0)
    # Principal components have different variances, and shrinkage of few cells would make these equal
    varies = spread > 1e-9 * spread.max()
    if varies.sum() < 2:
        msg = f"Directions need at least 2 components that vary among control cells, but there are {varies.sum()}."
        raise ValueError(msg)
    scaled = whiten(x[:, varies] / spread[varies]) / spread[varies, None]
    axes = np.zeros((len(spread), scaled.shape[1]))
    axes[varies] = scaled
    return axes


def compute_effects(moments: GroupMoments) -> Effects:
    """Compare each perturbation with the controls of the same batches.

    Batches are weighted as in a linear model with the batch as a covariate. Without an effect, the squared length over
    its noise has approximately an F distribution, as the scale of the components comes from the controls.
    """
    sizes, n_controls = moments.sizes[1:], moments.sizes[0]
    both = sizes * n_controls / np.maximum(sizes + n_controls, 1)
    total = both.sum(axis=1, keepdims=True)
    weight = np.divide(both, total, out=np.full_like(both, np.nan), where=total > 0)
    change = np.einsum("pb,pbd->pd", weight, moments.means[1:]) - weight @ moments.means[0]
    own, shared = ((weight**2 / np.maximum(n, 1)).sum(axis=1) for n in (sizes, n_controls))
    noise = moments.variance[1:] * own + moments.variance[0] * shared
    squared, n = (change**2).sum(axis=1), change.shape[1]
    pval = stats.f.sf(squared / (n * noise), moments.n_directions, moments.n_free)
    return Effects(change, weight, noise, np.sqrt(np.maximum(squared - n * noise, 0)), pval)


def compare_pairs(moments: GroupMoments, effects: Effects, chosen: NDArray[np.intp], confidence_level: float) -> Pairs:
    """Compare all pairs of the chosen perturbations, whose strength must be positive."""
    first, second = np.triu_indices(len(chosen), 1)
    change, noise, weight, strength = (
        part[chosen] for part in (effects.change, effects.noise, effects.weight, effects.strength)
    )
    n, squared = change.shape[1], (change**2).sum(axis=1)
    # Covariance of the noise of two changes, per component, as they share controls
    shared = moments.variance[0] * ((weight / np.maximum(moments.sizes[0], 1)) @ weight.T)[first, second]
    product = (change @ change.T)[first, second] - n * shared
    length, relative = strength[first] * strength[second], noise / strength**2
    low, high = cosine_interval(
        product / length,
        PairNoise(relative[first], relative[second], shared / length, n, moments.n_free),
        float(stats.norm.isf((1 - confidence_level) / 2)),
    )
    score = product / np.sqrt(squared[first] * squared[second] + SHARED_PENALTY * (n * shared) ** 2)
    return Pairs(np.clip(product / length, -1, 1), low, high, direction_pval(score, n))


def direction_pval(cosine: ArrayLike, n_components: int) -> NDArray[np.float64]:
    """Compute the two-sided p-value of the cosine of two vectors, of which one has a direction uniform on the sphere.

    Examples
    --------
    >>> direction_pval([0.0, 0.5], 3).round(3).tolist()
    [1.0, 0.5]
    """
    cosine = np.clip(np.asarray(cosine, dtype=np.float64), -1 + 1e-15, 1 - 1e-15)
    score = np.abs(cosine) * np.sqrt((n_components - 1) / (1 - cosine**2))
    return np.asarray(2 * stats.t.sf(score, n_components - 1))


def cosine_variance(cosine: NDArray[np.float64], noise: PairNoise) -> NDArray[np.float64]:
    """Compute the variance of the corrected cosine of two vectors, of which the true cosine is given.

    The expansion contains all terms of second order in the noise of the vectors, and the first term in that of the
    covariance by which they were whitened.
    """
    first, second, shared, n, n_free = noise
    both = first + second
    linear = (1 - cosine**2) * (both - 2 * shared * cosine)
    squares = first * second + shared**2 + cosine**2 / 2 * (first**2 + second**2 + 2 * shared**2)
    whitening = (1 - cosine**2) ** 2 / max(n_free - n + 2, 1)
    return linear + n * (squares - 2 * cosine * shared * both) + whitening


def cosine_interval(
    cosine: NDArray[np.float64], noise: PairNoise, quantile: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the cosines from which the estimate is at most `quantile` standard errors away.

    The standard error is that at the cosine in question, as in the interval of Wilson, so that an interval does not
    shrink to a point at the ends of the scale.
    """

    def lowest(estimate: NDArray[np.float64], noise: PairNoise) -> NDArray[np.float64]:
        low, high = np.full_like(estimate, -1.0), np.clip(estimate, -1, 1)
        for _ in range(N_BISECTIONS):
            middle = (low + high) / 2
            error = np.sqrt(np.maximum(cosine_variance(middle, noise), 0))
            is_inside = estimate - middle <= quantile * error
            low, high = np.where(is_inside, low, middle), np.where(is_inside, middle, high)
        return low

    return lowest(cosine, noise), -lowest(-cosine, noise._replace(shared=-noise.shared))
