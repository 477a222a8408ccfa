"""Differential expression of conditions against the measured control, as the challenge tests it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scpi import de

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.benchmark._challenge._side import Side

_PER_MILLION = 1e6
_LEAST_PER_MILLION = 5.0
_OFFSET = 1e-9


class Tested(NamedTuple):
    """Test results of the genes that the control expresses, conditions x genes."""

    lfc: NDArray[np.float64]
    pval: NDArray[np.float64]
    pval_adj: NDArray[np.float64]


def expressed(control: Any) -> NDArray[np.intp]:
    """Places of the genes with more than 5 counts per million, mean over cells, in the control."""
    mean = np.asarray(per_million(control).mean(axis=0)).ravel()
    return np.flatnonzero(mean > _LEAST_PER_MILLION)


def run_tests(side: Side, control: Any, genes: NDArray[np.intp]) -> Tested:
    """Rank-sum tests of logarithms of counts per million, and fold changes of their means, of every condition but the control.

    p-values are corrected for ties and adjusted by Benjamini and Hochberg in each condition.
    """
    first = np.searchsorted(side.codes, 1)
    cells = sparse.vstack([control, side.counts[first:]], format="csr")
    codes = np.concatenate([np.zeros(control.shape[0], dtype=np.int64), side.codes[first:]])
    values = per_million(cells)[:, genes]
    sizes = np.bincount(codes, minlength=len(side.names)).astype(np.float64)
    members = sparse.csr_array((1.0 / sizes[codes], (codes, np.arange(len(codes)))), shape=(len(sizes), len(codes)))
    means = np.asarray((members @ values).todense())
    tested = de.wilcoxon(values.log1p(), codes, reference=0, continuity=False)
    pval = np.exp(tested.log_pval[1:])
    return Tested(
        lfc=np.log2((means[1:] + _OFFSET) / (means[0] + _OFFSET)),
        pval=pval,
        pval_adj=np.stack([de.false_discovery_control(row) for row in pval]),
    )


def per_million(counts: Any) -> Any:
    """Counts per million counts of the cell: by scanpy, as the rounding decides which values tie."""
    cells = AnnData(counts.copy())
    with warnings.catch_warnings():
        # Cells without counts stay 0
        warnings.filterwarnings("ignore", message="Some cells have zero counts")
        sc.pp.normalize_total(cells, target_sum=_PER_MILLION)
    return cells.X
