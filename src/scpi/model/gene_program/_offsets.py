"""Differences of the genes between categories of covariates, without what gene programs explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg
from sklearn.utils.extmath import randomized_svd

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RIDGE = 1e-6


def find_offsets(logged: NDArray[np.float32], code: NDArray[np.float32], *, n_units: int) -> NDArray[np.float32]:
    """Coefficients of a linear model of the logarithms of cells on their covariates, covariates x genes.

    ``logged``, (n_cells, n_genes), are logarithms of normalised counts, ``code``, (n_cells, n_covariates), indicators and
    numbers. Where a program is more frequent in one batch, its genes differ between batches. Cells of one batch also
    vary along the program, and no batch effect varies within a batch: coefficients are made orthogonal to the leading
    ``n_units`` components of the variation that covariates leave.
    """
    design = (code - code.mean(0)).astype(np.float64)
    centred = (logged - logged.mean(0)).astype(np.float64)
    gram = design.T @ design
    # Indicators of a covariate sum to 1
    gram.flat[:: len(gram) + 1] += _RIDGE * len(design)
    coefficients = linalg.solve(gram, design.T @ centred, assume_a="pos")
    centred -= design @ coefficients
    _, _, components = randomized_svd(centred, min(n_units, *centred.shape), random_state=0)
    return (coefficients - coefficients @ components.T @ components).astype(np.float32)
