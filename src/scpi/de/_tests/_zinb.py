from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse, special

from scpi._rng import as_generator
from scpi._screen._checks import check_counts
from scpi.de._calibration import calibrate
from scpi.de._overdispersion import check_size_factors
from scpi.de._tally import genes_of, tally
from scpi.de._test_result import TestResult, check_groups
from scpi.de._tests._method import Cells, Method
from scpi.de._zinb import fit, fit_from_counts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._tally import Tally
    from scpi.de._zinb import Fit

_N_BINS = 24
_N_PERMUTATIONS = 20
# Statistics under permuted labels from which null distributions are drawn, where there are few genes
_N_NULL = 4000
_FEWEST_PERMUTATIONS = 4
_MOST_PERMUTATIONS = 400


def zinb(
    values: ArrayLike,
    codes: ArrayLike,
    *,
    reference: int | None,
    size_factors: ArrayLike | None = None,
    n_permutations: int | None = None,
    rng: int | np.random.Generator | None = 0,
    n_jobs: int = 1,
) -> TestResult:
    """Test every group against the reference by a zero-inflated negative binomial model (likelihood ratio).

    The counts of a gene are zero with probability pi, and otherwise negative binomial with mean s mu and overdispersion
    alpha, where s is the depth of the cell over the median depth. The null hypothesis is that pi, mu and alpha are the
    same in group and reference, as in DEsingle (Miao, Deng, Wang and Zhang, Bioinformatics 34, 2018). The test thus
    detects differences in the fraction of expressing cells, in the dispersion, or in the mean. DEsingle divides the
    counts by depth and rounds them, which biases small counts and introduces differences between groups of unequal
    depth. Here, depth is a factor of the mean, and cells of similar depth (within a few percent) share one value.

    The likelihood ratio does not follow a chi-squared distribution with three degrees of freedom: with UMI counts, pi
    or alpha are zero for most genes, on the boundary of the parameter space. The test would reject several times too
    rarely, and too often for genes with aberrant counts in single cells. The null distribution is therefore estimated
    from the same statistic under permuted labels: a gamma distribution for each gene, with its mean shrunk towards that
    of genes of similar expression. It is calibrated by its p-values of further permutations, so that p-values are
    uniform under permuted labels even with few permutations.

    Parameters
    ----------
    values
        Counts, rows x columns, dense or sparse.
    codes
        Group of each row: 0, 1, ...; rows with a negative code are excluded.
    reference
        Code of the reference; each group is compared with all other rows if `None`.
    size_factors
        Depth of each row, in any unit; the sum of its counts if `None`. Rows of depth 0 are excluded.
    n_permutations
        Number of permutations of the labels for each group, at least 4. If `None`, 20, or, with fewer than 200 genes,
        as many as give 4,000 statistics, at most 400.
    rng
        Seed or generator of the permutations.
    n_jobs
        Number of threads.

    Returns
    -------
    Effect (difference of the fitted means, including zero inflation, in counts at the median depth), score and p-value,
    groups x columns. The score is the standard normal quantile of the p-value, with the sign of the effect. The row of
    the reference and columns without counts are zero, with p = 1.

    Raises
    ------
    ValueError
        If the values are not counts, a group has fewer than two rows with counts, the shapes do not match, or there are
        too few permutations.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import zinb
    >>> rng = np.random.default_rng(0)
    >>> codes = np.repeat([0, 1], 100)
    >>> counts = rng.poisson(3.0, size=(200, 30))
    >>> counts[:, 0] *= (codes == 0) | (rng.random(200) < 0.5)  # half of the second group lacks the first gene
    >>> int(zinb(counts, codes, reference=0).log_pval[1].argmin())
    0
    """
    matrix = sparse.csr_matrix(check_counts(values))
    n_rows, n_genes = matrix.shape
    depth = check_size_factors(size_factors, matrix)
    groups = np.asarray(check_groups(n_rows, codes, reference, 2)[0])
    groups, n_groups = check_groups(n_rows, np.where(depth > 0, groups, -1), reference, 2)
    if n_permutations is not None and n_permutations < _FEWEST_PERMUTATIONS:
        msg = f"`n_permutations` must be at least {_FEWEST_PERMUTATIONS}, but is {n_permutations}."
        raise ValueError(msg)
    generator = as_generator(rng)
    effect, log_pval = np.zeros((n_groups, n_genes)), np.zeros((n_groups, n_genes))
    pooled: _Pooled | None = None
    for group in range(n_groups):
        if group == reference:
            continue
        # The rest and the group are all rows, whatever the group
        if pooled is None or reference is not None:
            used = groups >= 0 if reference is None else (groups == group) | (groups == reference)
            pooled = _Pooled.of(matrix, depth, np.flatnonzero(used))
        member = groups[pooled.rows] == group
        effect[group], log_pval[group] = _compare(pooled, member, n_permutations, generator, n_jobs)
    score = -np.sign(effect) * special.ndtri_exp(np.minimum(log_pval, 0.0) - np.log(2.0))
    return TestResult(effect=effect, score=np.where(log_pval < 0, score, 0.0), log_pval=log_pval)


@dataclass(frozen=True)
class _Pooled:
    """Group and reference together."""

    counts: sparse.csr_matrix
    """Counts of all cells and genes."""
    rows: NDArray[np.intp]
    """Rows of the group and the reference."""
    genes: NDArray[np.intp]
    """Genes that they have."""
    bins: NDArray[np.intp]
    """Bin of the depth of each row."""
    width: int
    """Largest count that is tallied individually."""
    tally: Tally
    fit: Fit
    """Shared fit under the null hypothesis."""

    @classmethod
    def of(cls, counts: sparse.csr_matrix, depth: NDArray[np.float64], rows: NDArray[np.intp]) -> _Pooled:
        genes, width = genes_of(counts, rows)
        bins, levels = _depth_bins(depth[rows] / np.median(depth[rows]))
        pooled = tally(counts, rows, genes, bins, levels, width)
        return cls(counts, rows, genes, bins, width, pooled, fit_from_counts(pooled))

    def split(self, member: NDArray[np.intp]) -> tuple[NDArray[np.float64], Fit, Fit]:
        """Likelihood-ratio statistic of each gene, and the fits of these rows and of the others."""
        depth = self.tally.depth
        inside = tally(self.counts, self.rows[member], self.genes, self.bins[member], depth, self.width)
        fits = [fit(part, self.fit.theta) for part in (inside, self.tally - inside)]
        gain = fits[0].log_likelihood + fits[1].log_likelihood - self.fit.log_likelihood
        return 2.0 * np.maximum(gain, 0.0), fits[0], fits[1]


def _depth_bins(depth: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Bin of each row, of equal width on the log scale, and mean depth of each bin."""
    logged = np.log(depth)
    edges = np.linspace(logged.min(), logged.max(), _N_BINS + 1)[1:-1]
    bins = np.unique(np.searchsorted(edges, logged), return_inverse=True)[1].reshape(-1)
    return bins, np.bincount(bins, weights=depth) / np.bincount(bins)


def _compare(
    pooled: _Pooled, member: NDArray[np.bool_], n_permutations: int | None, rng: np.random.Generator, n_jobs: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Effect and log p-value of every gene."""
    effect, log_pval = np.zeros((2, pooled.counts.shape[1]))
    n_genes = len(pooled.genes)
    if n_genes == 0:
        return effect, log_pval
    if n_permutations is None:
        n_permutations = min(max(_N_PERMUTATIONS, -(-_N_NULL // n_genes)), _MOST_PERMUTATIONS)
    statistic, inside, outside = pooled.split(np.flatnonzero(member))
    drawn = [rng.permutation(len(member))[: member.sum()] for _ in range(n_permutations)]
    with ThreadPoolExecutor(n_jobs) as pool:
        permuted = np.array(list(pool.map(lambda rows: pooled.split(rows)[0], drawn)))
    theta = pooled.fit.theta
    kind = (theta[1] > 0).astype(np.intp) + 2 * (theta[2] > 0)
    effect[pooled.genes] = inside.mean - outside.mean
    log_pval[pooled.genes] = calibrate(statistic, permuted, order=pooled.fit.mean, kind=kind)
    return effect, log_pval


def _test(cells: Cells, *, n_permutations: int | None = None, rng: int | np.random.Generator | None = 0) -> TestResult:
    return zinb(
        cells.values,
        cells.codes,
        reference=cells.reference,
        n_permutations=n_permutations,
        rng=rng,
        n_jobs=cells.n_jobs,
    )


METHOD = Method(
    name="zinb",
    test=_test,
    takes="counts",
    null="Zero inflation, mean (in units of depth) and overdispersion are the same in group and reference.",
    source="After DEsingle: Miao, Deng, Wang and Zhang, Bioinformatics 34, 2018",
)
