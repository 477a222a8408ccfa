"""Optimal transport distances between samples, and the mean distance between their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from scpi._optional import import_extra
from scpi._rng import as_generator
from scpi.metrics._arrays import as_samples, centred, distance_blocks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def sliced_wasserstein(
    x: ArrayLike,
    y: ArrayLike,
    *,
    order: Literal[1, 2] = 1,
    n_projections: int = 100,
    rng: int | np.random.Generator | None = 0,
) -> float:
    r"""Compute the sliced Wasserstein distance: Wasserstein distances in one dimension, over random directions.

    .. math:: \left(\frac{1}{L} \sum_{\ell=1}^{L} W_p^p(\theta_\ell^\top x, \theta_\ell^\top y)\right)^{1/p}

    In one dimension, optimal transport requires only sorting. The distance thus scales to many more cells than
    :func:`scpi.metrics.wasserstein`, and its noise does not grow with the number of dimensions.

    Parameters
    ----------
    x, y
        The samples, observations x features. The numbers of observations may differ.
    order
        The order `p`.
    n_projections
        Number of random directions, each of length 1.
    rng
        Seed or generator of the directions. Only values with the same directions are comparable.

    Returns
    -------
    The distance, in units of the features. A shift by a vector of length `a` in `d` dimensions gives about
    :math:`a / \sqrt{d}`. It is also above 0 for two samples from the same distribution, the more the fewer cells.

    Raises
    ------
    ValueError
        If the samples have different features, NaN or infinite values or no observations, `n_projections` is below 1,
        or the order is neither 1 nor 2.

    Notes
    -----
    Rabin, Peyré, Delon and Bernot (Scale Space and Variational Methods, 2012).

    Examples
    --------
    >>> from scpi.metrics import sliced_wasserstein
    >>> sliced_wasserstein([[0.0], [1.0]], [[3.0], [4.0], [3.0], [4.0]])
    3.0
    """
    if order not in (1, 2):
        msg = f"`order` must be 1 or 2, but is {order!r}."
        raise ValueError(msg)
    if n_projections < 1:
        msg = f"`n_projections` must be at least 1, but is {n_projections}."
        raise ValueError(msg)
    first, second = centred(*as_samples(x, y))
    directions = as_generator(rng).normal(size=(first.shape[1], n_projections))
    directions /= np.sqrt((directions**2).sum(axis=0))
    n, m = len(first), len(second)
    # Both quantile functions are constant between these levels, in units of 1 / (n m)
    levels = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    widths = np.diff(levels, prepend=0) / (n * m)
    gaps = (
        np.sort(first @ directions, axis=0)[(levels - 1) // m] - np.sort(second @ directions, axis=0)[(levels - 1) // n]
    )
    return float((widths @ np.abs(gaps) ** order).mean() ** (1.0 / order))


def wasserstein(x: ArrayLike, y: ArrayLike, *, cost: Literal["euclidean", "sqeuclidean"] = "euclidean") -> float:
    """Compute the exact cost of optimal transport between two samples, by the package POT (``pip install POT``).

    Parameters
    ----------
    x, y
        The samples, observations x features. Observations of a sample have equal mass. The numbers may differ.
    cost
        Cost of moving one observation to another. With `"euclidean"`, the result is the Wasserstein distance of order
        1, with `"sqeuclidean"` the *square* of that of order 2.

    Returns
    -------
    The cost. For two samples from the same distribution, it is far above 0 in many dimensions: compare it with the cost
    between two halves of the real cells.

    Raises
    ------
    ImportError
        If POT is not installed.
    RuntimeError
        If the solver did not converge.
    ValueError
        If the samples have different features, NaN or infinite values or no observations, or the cost is unknown.

    Notes
    -----
    Memory grows with the product of the numbers of observations, and time faster: subsample to some thousands.
    Published values are mostly entropic (Sinkhorn) costs with squared distances, which are larger or smaller than this
    cost, depending on the regularisation.

    Examples
    --------
    >>> from scpi.metrics import wasserstein
    >>> wasserstein([[0.0], [1.0]], [[5.0], [2.0]])
    3.0
    """
    if cost not in ("euclidean", "sqeuclidean"):
        msg = f"`cost` must be 'euclidean' or 'sqeuclidean', but is {cost!r}."
        raise ValueError(msg)
    # Slow to import, as it searches for array backends
    ot = import_extra("ot")
    first, second = as_samples(x, y)
    costs = ot.dist(first, second, metric=cost)
    if not np.isfinite(costs).all():
        msg = "The distances between `x` and `y` are too large for double precision: scale the features."
        raise ValueError(msg)
    value, log = ot.emd2([], [], costs, numItermax=10_000_000, log=True)
    if log["warning"] is not None:
        msg = f"The transport between {len(first)} and {len(second)} observations was not solved: {log['warning']}"
        raise RuntimeError(msg)
    return float(value)


def mean_pairwise_distance(x: ArrayLike, y: ArrayLike, *, block_size: int = 1024) -> float:
    """Compute the mean Euclidean distance between the observations of two samples.

    Parameters
    ----------
    x, y
        The samples, observations x features. The numbers of observations may differ.
    block_size
        Number of observations in a block of distances: memory is `block_size` squared times 8 bytes.

    Returns
    -------
    The mean. It is not a distance between distributions: for a sample and itself, it is not 0, and it is smallest if
    all observations are at the centre, which favours predictions without variance. :func:`scpi.metrics.energy_distance`
    corrects this.

    Raises
    ------
    ValueError
        If the samples have different features, NaN or infinite values or no observations.

    Examples
    --------
    >>> from scpi.metrics import mean_pairwise_distance
    >>> mean_pairwise_distance([[0.0], [2.0]], [[1.0], [2.0]])
    1.0
    """
    first, second = centred(*as_samples(x, y))
    blocks = distance_blocks(first, second, block_size=block_size)
    return float(sum(np.sqrt(block, out=block).sum() for block, _ in blocks)) / (len(first) * len(second))
