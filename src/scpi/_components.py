"""Principal components of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA

from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from numpy.typing import NDArray


def principal_axes(cells: Any, n_components: int, seed: int) -> NDArray[np.float64] | None:
    """Directions of the principal components of cells x genes, dense or sparse: at most so many x genes.

    ``None`` where there is one cell or one gene, or all cells are the same.
    """
    x = cells.astype(np.float64)
    n_components = min(n_components, min(x.shape) - 1)
    if n_components < 1 or not (as_dense(x.max(axis=0)) > as_dense(x.min(axis=0))).any():
        return None
    solver = "arpack" if sparse.issparse(x) else "auto"
    return np.asarray(PCA(n_components, svd_solver=solver, random_state=seed).fit(x).components_)
