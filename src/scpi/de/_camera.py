from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special, stats

from scpi.de._contrast_effects import contrast_effects, set_members
from scpi.de._ebayes import squeeze
from scpi.de._fdr import false_discovery_control

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# A gene without residual variance has no correlation with others
_SMALLEST = 1e-8


def camera(
    expression: ArrayLike,
    design: ArrayLike | pd.DataFrame,
    sets: Any,
    *,
    contrast: ArrayLike | str,
    weights: ArrayLike | None = None,
    block: ArrayLike | None = None,
    block_correlation: float | None = None,
    correlation: float | None = 0.01,
    use_ranks: bool = False,
    trend: bool = False,
) -> pd.DataFrame:
    """Test whether the genes of a set are more differentially expressed than other genes, given correlated genes.

    This is a competitive test: the null hypothesis is that the genes of the set are no more differentially expressed
    than other genes. A rank-sum test on gene statistics assumes independence, and rejects far too often if the genes of
    a set are correlated (Wu and Smyth, Nucleic Acids Res. 40:e133, 2012).

    Parameters
    ----------
    expression
        Log expression, samples x genes.
    design
        Model matrix, samples x coefficients.
    sets
        Genes x sets, dense or sparse; nonzero entries are members. The columns of a DataFrame name the sets.
    contrast
        A weight for each coefficient, or the name of one coefficient.
    weights
        Precision weights, positive, samples x genes or one for each sample.
    block, block_correlation
        Block of each sample, such as its donor, and the correlation within blocks: see :func:`duplicate_correlation`.
    correlation
        Correlation of the genes of a set. If `None`, it is estimated for each set from the residuals, which controls
        the type I error for any set at a loss of power.
    use_ranks
        Whether to compare ranks of the statistics.
    trend
        Whether the prior variance follows mean expression.

    Returns
    -------
    One row per set, in their order: `set`, `n_genes`, `correlation`, `direction` ("up" or "down"), `pval`, `pval_adj`
    (Benjamini-Hochberg).

    Raises
    ------
    ValueError
        If the shapes do not fit, a set has no gene or all of them, the contrast is unknown, or the design is not of full
        rank.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import camera
    >>> expression = np.random.default_rng(0).normal(size=(8, 200))
    >>> expression[4:, :20] += 1.0
    >>> sets = np.arange(200)[:, None] // 20 == np.arange(2)
    >>> (camera(expression, np.repeat(np.eye(2), 4, axis=0), sets, contrast=[-1, 1])["pval"] < 0.01).tolist()
    [True, False]
    """
    effects = contrast_effects(expression, design, contrast, weights, block=block, correlation=block_correlation)
    n_genes, df = effects.shape[0], effects.shape[1] - 1
    names, members = set_members(sets, n_genes)
    variance = np.square(effects[:, 1:]).mean(axis=1)
    along = np.asarray(expression, dtype=np.float64).mean(axis=0) if trend else None
    squeezed, df_total = squeeze(variance, np.full(n_genes, float(df)), trend=along)
    t = effects[:, 0] / np.sqrt(squeezed)
    statistic = t if use_ranks else _as_normal(t, df_total)
    residual = effects[:, 1:] / np.sqrt(np.maximum(variance, _SMALLEST))[:, None]
    rows = []
    for name, genes in zip(names, members, strict=True):
        n = len(genes)
        if correlation is None:
            inflation = n * float(np.square(residual[genes].mean(axis=0)).mean())
            of_set = max((inflation - 1.0) / (n - 1), 0.0) if n > 1 else np.nan
        else:
            of_set = correlation
        inflation = 1.0 + (n - 1) * (0.0 if n == 1 else of_set)
        if use_ranks:
            freedom = np.inf if correlation is not None else df
            down, up = _rank_sum(statistic, genes, 0.0 if n == 1 else of_set, freedom)
        else:
            freedom = n_genes - 2 if correlation is not None else min(df, n_genes - 2)
            down, up = _two_sample(statistic, genes, inflation, freedom)
        rows.append((name, n, of_set, "up" if up < down else "down", 2.0 * min(down, up)))
    table = pd.DataFrame(rows, columns=["set", "n_genes", "correlation", "direction", "pval"])
    table["pval"] = table["pval"].clip(upper=1.0)
    table["pval_adj"] = false_discovery_control(table["pval"])
    return table


def _as_normal(t: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal deviates of t-statistics, by the approximation of Hill (Commun. ACM 13, 1970)."""
    infinite = ~np.isfinite(df)
    n = np.where(infinite, 1.0, df)
    a = n - 0.5
    b = 48.0 * a**2
    y = a * np.log1p(t**2 / n)
    correction = (((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y**2 + 100.0 + b) + y + 3.0
    return np.where(infinite, t, np.sign(t) * np.sqrt(y) * (1.0 + correction / b))


def _two_sample(
    statistic: NDArray[np.float64], genes: NDArray[np.intp], inflation: float, df: float
) -> tuple[float, float]:
    """p-values of a t-test of the genes of a set against the others, with inflated variance of the mean."""
    n_genes, n = len(statistic), len(genes)
    others = n_genes - n
    delta = n_genes / others * (statistic[genes].mean() - statistic.mean())
    pooled = ((n_genes - 1) * statistic.var(ddof=1) - delta**2 * n * others / n_genes) / (n_genes - 2)
    t = delta / np.sqrt(pooled * (inflation / n + 1.0 / others))
    return float(special.stdtr(df, t)), float(special.stdtr(df, -t))


def _rank_sum(
    statistic: NDArray[np.float64], genes: NDArray[np.intp], correlation: float, df: float
) -> tuple[float, float]:
    """p-values of a rank-sum test of the genes of a set, which are correlated, against the others."""
    n_genes, n = len(statistic), len(genes)
    others = n_genes - n
    ranks = stats.rankdata(statistic)
    u = n * others + n * (n + 1) / 2.0 - ranks[genes].sum()
    mean = n * others / 2.0
    # Variance of the statistic if normal scores are correlated within the set
    variance = (
        n
        * others
        * (
            np.arcsin(1.0)
            + (others - 1) * np.arcsin(0.5)
            + (n - 1) * (others - 1) * np.arcsin(correlation / 2.0)
            + (n - 1) * np.arcsin((correlation + 1.0) / 2.0)
        )
    )
    variance /= 2.0 * np.pi
    sizes = np.unique(statistic, return_counts=True)[1]
    variance *= 1.0 - (sizes * (sizes + 1.0) * (sizes - 1.0)).sum() / (n_genes * (n_genes + 1.0) * (n_genes - 1.0))
    spread = np.sqrt(variance)
    low, high = (u + 0.5 - mean) / spread, (u - 0.5 - mean) / spread
    tail: Any = special.ndtr if np.isinf(df) else lambda x: special.stdtr(df, x)
    return float(tail(-high)), float(tail(low))
