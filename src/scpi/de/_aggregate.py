"""Values of the cells of each sample, made one by sums, means, medians and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from scpi._screen._blocks import blocks, sum_cells
from scpi._screen._checks import check_values
from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Aggregation = Literal["sum", "mean", "median", "count_nonzero"]
# Values of some genes in all cells that are held as an array
_VALUES = 1 << 22


def aggregate(
    values: Any, codes: NDArray[np.intp], n_samples: int, func: Aggregation, *, check: Callable[[Any], Any]
) -> Any:
    """Aggregate the cells of each sample.

    Parameters
    ----------
    values
        Cells x genes, of any kind, in memory or not. They are read block by block.
    codes
        Sample of each cell; cells with a negative one are left out.
    n_samples
        Number of samples.
    func
        What to compute of the values of a gene in a sample.
    check
        Given each block of cells of which sums are asked.

    Returns
    -------
    Samples x genes. Sums and numbers are as sparse as the values, medians are an array.
    """
    if func == "median":
        return _medians(values, codes, n_samples)
    if func == "sum":
        return sum_cells(values, codes, n_samples, check=check)
    if func == "count_nonzero":
        return sum_cells(values, codes, n_samples, check=_found)
    sizes = np.bincount(codes[codes >= 0], minlength=n_samples)
    summed = sum_cells(values, codes, n_samples, check=check_values)
    return sparse.csr_matrix(sparse.diags(1.0 / sizes) @ summed) if sparse.issparse(summed) else summed / sizes[:, None]


def _found(block: Any) -> Any:
    """Ones where a value is not zero."""
    return (check_values(block) != 0).astype(np.float64)


def _medians(values: Any, codes: NDArray[np.intp], n_samples: int) -> NDArray[np.float64]:
    cells = [np.flatnonzero(codes == sample) for sample in range(n_samples)]
    found = np.empty((n_samples, values.shape[1]))
    step = max(1, _VALUES // max(1, values.shape[0]))
    for block in blocks(values, axis=1):
        of_genes = sparse.csc_matrix(block.values) if sparse.issparse(block.values) else block.values
        first, last = block.columns.start, block.columns.stop
        for start in range(first, last, step):
            genes = slice(start, min(start + step, last))
            part = as_dense(check_values(of_genes[:, genes.start - first : genes.stop - first]))
            for sample, rows in enumerate(cells):
                found[sample, genes] = np.median(part[rows], axis=0)
    return found
