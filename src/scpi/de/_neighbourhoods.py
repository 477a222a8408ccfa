"""Small groups of similar cells, found on a subset of the genes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

from scpi._screen._matrix import means

if TYPE_CHECKING:
    from numpy.typing import NDArray

_N_GENES = 2000
_N_COMPONENTS = 15
_N_ITERATIONS = 20


def neighbourhoods(
    counts: sparse.csr_matrix, depth: NDArray[np.float64], *, size: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Assign cells to small groups: k-means on principal components of log-normalised counts.

    Parameters
    ----------
    counts
        Cells x genes.
    depth
        Size factor of each cell, about 1.
    size
        Cells in a group, on average.
    rng
        Random numbers.

    Returns
    -------
    Code of the group of each cell. All cells are one group if there are too few genes or cells.
    """
    n_cells = counts.shape[0]
    n_groups = n_cells // size
    one_group = np.zeros(n_cells, dtype=np.intp)
    logged = sparse.diags(1.0 / depth) @ counts.astype(np.float64)
    np.log1p(logged.data, out=logged.data)
    mean, variance = _mean_and_variance(logged)
    chosen = np.argsort(-variance, kind="stable")[:_N_GENES]
    chosen = chosen[variance[chosen] > 0]
    n_components = min(_N_COMPONENTS, len(chosen) - 1, n_cells - 1)
    if n_groups < 2 or n_components < 1:
        return one_group
    scores = _principal_components(logged.tocsc()[:, chosen].tocsr(), mean[chosen], n_components, rng)

    # scikit-learn takes a second to import
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Fewer distinct cells than groups is no harm here
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(
            n_groups, init="random", n_init=1, max_iter=_N_ITERATIONS, random_state=int(rng.integers(2**31))
        )
        return kmeans.fit_predict(scores).astype(np.intp)


def _mean_and_variance(matrix: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = means(matrix)
    return mean, means(matrix.multiply(matrix)) - mean**2


def _principal_components(
    matrix: sparse.csr_matrix, mean: NDArray[np.float64], n_components: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Scores of the cells, centred without making the matrix dense."""
    ones = np.ones(matrix.shape[0])
    centred: Any = LinearOperator(
        matrix.shape,
        dtype=np.float64,
        matvec=lambda v: matrix @ np.ravel(v) - (mean @ np.ravel(v)) * ones,
        rmatvec=lambda u: matrix.T @ np.ravel(u) - mean * np.ravel(u).sum(),
    )
    start = rng.standard_normal(min(matrix.shape))
    u, values, _ = svds(centred, k=n_components, v0=start)
    return np.asarray(u * values)
