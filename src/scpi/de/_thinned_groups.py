"""Checks of groups found on the train part of thinned counts, for tests on the other part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numba import njit
from scipy import sparse, special, stats

from scpi._screen._blocks import row_blocks
from scpi._screen._expression import row_sums
from scpi._slots import find_layer, listed
from scpi._warn import warn_user
from scpi.de._covariates import names_batches
from scpi.de._depth_sums import depth_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi._groups import Plan
    from scpi.de._depth_sums import DepthSums

_ROWS = 8_192
# Classes of about as many cells each, of 50 or more
_N_CLASSES, _CELLS_OF_CLASS = 10, 50
# Groups are named whose parts agree within them beyond chance at this level over all groups, and by more of the squared
# difference than a few misplaced cells leave
_LEVEL, _LEFT = 0.01, 0.03
# Bias-corrected Cramér's V between groups and batches that is named
_ASSOCIATED = 0.3
# Cells of a batch on average; labels that few cells have in common are of something else
_FEWEST = 5


@dataclass(frozen=True)
class Agreement:
    """Agreement of the two parts of counts within groups, along the difference between each group and its reference."""

    correlation: NDArray[np.float64]
    """Rank correlation of the train and the test part over the cells of each group."""
    pval: NDArray[np.float64]
    """Two-sided p-value of no correlation."""
    left: NDArray[np.float64]
    """Covariance of both parts within the group, over the squared difference between the group and its reference."""
    depth_ratio: NDArray[np.float64]
    """Mean depth of the train part of the group, over that of its reference."""


def agreement_within(train: Any, test: Any, codes: NDArray[np.intp], reference: int | None) -> Agreement:
    """Compare both parts within each group.

    The difference of the train rates between a group and its reference, divided by the variance of each gene in the
    group, defines a direction. Cells of the group have scores along it in the train part and in the test part, as
    residuals from the rates of the group. If all cells of a group have the same expression profile and the parts are
    independent, these scores are uncorrelated for any depths. They are correlated if the group is cut from a continuum,
    contains several types or batches, or if the overdispersion used for thinning is too small. If it is too large, they
    are negatively correlated.

    Parameters
    ----------
    train, test
        Both parts, cells x genes, of any kind, in memory or not.
    codes
        Group of each cell; cells with a negative one are left out.
    reference
        Code of the reference; all other groups together if `None`.
    """
    n_groups = int(codes.max()) + 1
    sums, depths = zip(*(depth_sums(part, codes, n_groups) for part in (train, test)), strict=True)
    rates, others = [part.rate for part in sums], [_others(part, reference) for part in sums]
    residual = sums[0].residual
    weights = np.divide(rates[0] - others[0].rate, residual, out=np.zeros_like(residual), where=residual > 0)
    used = codes >= 0
    scores = []
    for part, rate, depth in zip((train, test), rates, depths, strict=True):
        projected = np.zeros(len(codes))
        for rows, block in row_blocks(part, _ROWS):
            chunk = sparse.csr_matrix(block)
            _project(chunk.data, chunk.indices, chunk.indptr, codes[rows], weights, projected[rows])
        scores.append((projected - depth * (rate * weights).sum(axis=1)[codes])[used])
    product = np.bincount(codes[used], weights=scores[0] * scores[1], minlength=n_groups)
    together = (depths[0] * depths[1])[used]
    depth_product = np.bincount(codes[used], weights=together, minlength=n_groups)
    # Ranks, as misassigned cells are outliers in both parts
    ranked = [score / np.sqrt(np.maximum(depth[used], 1.0)) for score, depth in zip(scores, depths, strict=True)]
    correlation = np.array([_rank_correlation(*(score[codes[used] == k] for score in ranked)) for k in range(n_groups)])
    gap = ((rates[1] - others[1].rate) * weights).sum(axis=1)
    n = np.bincount(codes[used], minlength=n_groups)
    n_others = n.sum() - n if reference is None else n[reference]
    mean_depth, of_others = sums[0].depth[:, 0] / n, others[0].depth[:, 0] / n_others
    return Agreement(
        correlation=correlation,
        pval=2.0 * special.ndtr(-np.abs(correlation) * np.sqrt(n - 1.0)),
        left=_ratio(product.astype(np.float64), depth_product * gap**2),
        depth_ratio=_ratio(mean_depth, of_others),
    )


def depth_classes(adata: AnnData, trained: str) -> pd.Categorical | None:
    """Classes of cells with similar depth of the train part, of about equal size; `None` without a train part.

    The rate of a gene may depend on depth, for example if large cells express other genes. A test with depth only as an
    offset would then find effects of depth. Given the expression profile, the train part is informative about the test
    part only through the depth of the cell: within classes of depth, groups are comparable.
    """
    if trained not in adata.layers:
        return None
    depth = row_sums(find_layer(adata, trained))
    n = max(1, min(_N_CLASSES, len(depth) // _CELLS_OF_CLASS))
    return pd.Categorical.from_codes(
        stats.rankdata(depth, method="ordinal").astype(int) * n // (len(depth) + 1), range(n)
    )


def describe_groups(train: Any, test: Any, plan: Plan) -> pd.DataFrame:
    """Table of the tested groups: depth, agreement of both parts within them, and whether it is due to chance."""
    found = agreement_within(train, test, plan.codes, plan.reference)
    n = len(plan.tested)
    table = pd.DataFrame(
        {
            "group": plan.tested,
            "depth_ratio": found.depth_ratio[:n],
            "correlation": found.correlation[:n],
            "pval": found.pval[:n],
            "left": found.left[:n],
        },
        index=pd.RangeIndex(n).astype(str),
    )
    table["homogeneous"] = (table["pval"] * n >= _LEVEL) | (table["left"].abs() <= _LEFT)
    mixed = table.loc[~table["homogeneous"], "group"].tolist()
    if mixed:
        warn_user(
            f"Within {listed(mixed)}, the train and the test part of the counts are correlated along the genes that "
            "define the group. It may be cut from a continuum, or a mixture of types or batches, or the overdispersion may "
            "be wrong: small p-values are no evidence of separate groups."
        )
    return table


def associated_batches(obs: pd.DataFrame, codes: NDArray[np.intp], left_out: Sequence[str]) -> list[str]:
    """Find columns that look like batches or samples and are associated with the groups, and warn of them."""
    used = codes >= 0
    candidates = [name for name in obs if names_batches(str(name)) and name not in left_out]
    found = [str(name) for name in candidates if _cramers_v(codes[used], obs[name][used]) >= _ASSOCIATED]
    if found:
        warn_user(
            f"The groups go with {listed(found)} of `obs`: what differs between these is found between groups as well. "
            f"`rank_genes(..., method='poisson', covariates=[{listed(found)}])` compares within them."
        )
    return found


def _others(sums: DepthSums, reference: int | None) -> DepthSums:
    """Sums of the comparison group of each group."""
    parts = (sums.total, sums.squares, sums.cross, sums.depth)
    if reference is None:
        return type(sums)(*(part.sum(axis=0) - part for part in parts))
    return type(sums)(*(np.repeat(part[[reference]], len(part), axis=0) for part in parts))


@njit(nogil=True, cache=True)
def _project(data, indices, indptr, codes, weights, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            for i in range(indptr[row], indptr[row + 1]):
                out[row] += data[i] * weights[code, indices[i]]


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's correlation; zero if one side is constant."""
    ranks = [stats.rankdata(values) - (len(values) + 1.0) / 2.0 for values in (a, b)]
    scale = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float((ranks[0] * ranks[1]).sum() / scale) if scale > 0 else 0.0


def _cramers_v(codes: NDArray[np.intp], column: pd.Series) -> float:
    """Association of two partitions of the cells, 0 to 1, corrected for small-sample bias."""
    labels = pd.factorize(column)[0]
    table = pd.crosstab(codes[labels >= 0], labels[labels >= 0]).to_numpy()
    n, (rows, columns) = table.sum(), table.shape
    if min(rows, columns) < 2 or columns > n / _FEWEST:
        return 0.0
    squared = stats.chi2_contingency(table, correction=False).statistic / n
    corrected = max(squared - (rows - 1) * (columns - 1) / (n - 1), 0.0)
    sizes = (side - (side - 1) ** 2 / (n - 1) for side in (rows, columns))
    return float(np.sqrt(corrected / (min(sizes) - 1.0)))
