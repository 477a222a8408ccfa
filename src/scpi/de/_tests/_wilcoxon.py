from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pandas as pd
from scipy import sparse, special

from scpi._docs import fill
from scpi._screen._blocks import blocks
from scpi._screen._checks import check_values
from scpi._screen._matrix import is_stored, stored_values, without_zeros
from scpi.de._test_result import TestResult, check_groups
from scpi.de._tests._method import Cells, Method

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Stored values below which the progress bar would be gone before it can be read
_SHORT = 50_000_000


@fill
def wilcoxon(
    values: ArrayLike, codes: ArrayLike, *, reference: int | None, continuity: bool = True, n_jobs: int = 1
) -> TestResult:
    """Test every group against the reference by the rank-sum test (Wilcoxon, Mann-Whitney), in every column.

    The null hypothesis is that the values of group and reference come from the same distribution. The statistic is the
    normal approximation with tie correction, as in `scipy.stats.mannwhitneyu(method="asymptotic")`. Ranks are computed
    by illico (`illico.asymptotic_wilcoxon`).

    With ties, as between the zeros of single cells, the normal approximation is far too small in the tail if a group is
    small. No p-value is therefore below 1 / C(n, m), the probability of a single assignment of ``m`` of ``n`` rows to
    the group, which is the smallest p-value that any permutation test has. ``n`` counts the rows of both sides.

    Parameters
    ----------
    %(rows_values)s
    continuity
        Whether to apply the continuity correction of one half.
    n_jobs
        Number of threads.

    Returns
    -------
    Effect, z and p-value, groups x columns. The effect is the rank-biserial correlation: the probability that a row of
    the group is above a row of the reference minus the probability that it is below. The row of the reference is zero,
    with p = 1. So is z if all values are equal.

    Raises
    ------
    ValueError
        If a group has no rows, the shapes do not match, or a value is not finite.

    Examples
    --------
    >>> from scpi.de import wilcoxon
    >>> result = wilcoxon([[1.0], [2.0], [3.0], [5.0], [6.0], [7.0]], [0, 0, 0, 1, 1, 1], reference=0)
    >>> round(float(result.score[1, 0]), 6), round(float(result.pval[1, 0]), 6)
    (1.745743, 0.080856)
    """
    matrix: Any = values if is_stored(values) else check_values(values)
    groups, n_groups = check_groups(matrix.shape[0], codes, reference, 1)
    # Ranks need all rows of a column: a matrix that is not in memory is read by columns
    parts = [
        _rank(_as_illico_takes_it(check_values(block.values)), groups, reference, continuity, n_jobs)
        for block in blocks(matrix, 1)
    ]
    ranked = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    size = np.bincount(groups[groups >= 0], minlength=n_groups)[:, None].astype(np.float64)
    others = size.sum() - size if reference is None else size[reference]
    effect = 2.0 * ranked["statistic"] / (size * others) - 1.0
    # illico moves a statistic that is exactly at its expectation as well, past it
    score = np.where(2.0 * ranked["statistic"] == size * others, 0.0, ranked["z_score"])
    if reference is not None:
        effect[reference], score[reference] = 0.0, 0.0
    log_pval = np.minimum(np.log(2.0) + special.log_ndtr(-np.abs(score)), 0.0)
    log_pval = np.maximum(log_pval, _least_log_pval(size, others))
    return TestResult(effect=effect, score=score, log_pval=log_pval)


def _least_log_pval(size: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the probability of one assignment of the rows to a group and to the others."""
    return special.betaln(size + 1.0, others + 1.0) + np.log(size + others + 1.0)


def _as_illico_takes_it(matrix: Any) -> Any:
    """Floats; of sparse matrices no stored zeros, which would not tie with the others."""
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float32 if matrix.dtype.itemsize <= 2 else np.float64)
    return without_zeros(matrix) if sparse.issparse(matrix) else matrix


def _rank(
    matrix: Any, groups: NDArray[np.intp], reference: int | None, continuity: bool, n_jobs: int
) -> dict[str, NDArray[np.float64]]:
    """U and z, groups x columns."""
    from anndata import AnnData
    from illico import asymptotic_wilcoxon
    from loguru import logger

    logger.disable("illico")
    n_rows, n_columns = matrix.shape
    obs = pd.DataFrame({"group": groups}, index=pd.RangeIndex(n_rows).astype(str))
    left_out = bool((groups < 0).any())
    used = list(range(int(groups.max()) + 1)) if left_out and reference is not None else None
    stored = stored_values(matrix).size
    quiet = contextlib.redirect_stderr(io.StringIO()) if stored < _SHORT else contextlib.nullcontext()
    with quiet:
        table = asymptotic_wilcoxon(
            AnnData(matrix, obs=obs),
            # Its fold changes are not used, and those of the logarithm are the cheaper ones
            is_log1p=False,
            group_keys="group",
            reference=reference,
            groups=used,
            exclude_from_ovr=[-1] if left_out and reference is None else None,
            use_continuity=continuity,
            # numba refuses more threads than it was started with
            n_threads=min(n_jobs, numba.config.NUMBA_NUM_THREADS),  # type: ignore[attr-defined]
        )
    # Groups come in the order of their codes
    return {name: table[name].to_numpy().reshape(-1, n_columns) for name in ("statistic", "z_score")}


def _test(cells: Cells, *, continuity: bool = True) -> TestResult:
    return wilcoxon(cells.values, cells.codes, reference=cells.reference, continuity=continuity, n_jobs=cells.n_jobs)


METHOD = Method(
    name="wilcoxon",
    test=_test,
    takes="expression",
    null="The values of group and reference come from one distribution.",
    source="Wilcoxon, Biometrics Bulletin 1, 1945; Mann and Whitney, Ann. Math. Stat. 18, 1947",
)
