from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg, sparse

from scpi.de._fisher import f_log_sf
from scpi.de._student import two_sided_log_pval, upper_quantile
from scpi.de._variance_prior import robust_variance_prior, variance_prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.de._lm_fit import LinearFit
    from scpi.de._variance_prior import VariancePrior

# The correlation matrix of more contrasts would need gigabytes: it must have a low-rank structure
MAX_JOINT = 2_000
_SINGULAR = 1e-8


@dataclass(frozen=True, kw_only=True)
class ModeratedFit:
    """Moderated tests of every coefficient or contrast in every gene."""

    names: tuple[str, ...]
    """Names of the coefficients or contrasts."""
    coefficients: NDArray[np.float64]
    """Log2 fold changes if the coefficients are contrasts of log2 expression, contrasts x genes."""
    std_error: NDArray[np.float64]
    """Standard errors with the moderated variance, contrasts x genes."""
    t: NDArray[np.float64]
    """Moderated t-statistics, contrasts x genes."""
    log_pval: NDArray[np.float64]
    """Natural logarithms of the two-sided p-values, finite even if these underflow, contrasts x genes."""
    lods: NDArray[np.float64]
    """B-statistics: natural log odds of differential expression, contrasts x genes."""
    f: NDArray[np.float64]
    """F-statistic of each gene, over all contrasts; NaN for more than 2,000, unless each is of a separate group."""
    f_log_pval: NDArray[np.float64]
    """Natural logarithms of its p-values."""
    f_rank: int
    """Its first degrees of freedom: how many of the contrasts are independent."""
    ave_expr: NDArray[np.float64]
    """Mean expression of each gene."""
    variance: NDArray[np.float64]
    """Moderated residual variance of each gene."""
    variance_prior: NDArray[np.float64]
    """Prior variance of each gene; equal for all genes without a trend."""
    df_prior: NDArray[np.float64]
    """Prior degrees of freedom of each gene; equal for all genes unless the prior is robust."""
    df: NDArray[np.float64]
    """Total degrees of freedom of each gene."""

    @property
    def pval(self) -> NDArray[np.float64]:
        """Two-sided p-values; zero if below the smallest float."""
        return np.exp(self.log_pval)

    @property
    def f_pval(self) -> NDArray[np.float64]:
        """P-values of the F-statistic; zero if below the smallest float."""
        return np.exp(self.f_log_pval)


def ebayes(fit: LinearFit, *, trend: bool = False, robust: bool = False, proportion: float = 0.01) -> ModeratedFit:
    """Test coefficients or contrasts with empirical Bayes moderated variances.

    The null hypothesis is that a coefficient is zero. The residual variance of each gene is shrunk towards a prior that
    is estimated from all genes. This adds degrees of freedom if there are few samples (Smyth, Stat. Appl. Genet. Mol.
    Biol. 3, 2004).

    Parameters
    ----------
    fit
        Linear model from :func:`lm_fit` or :func:`contrasts`.
    trend
        Whether the prior variance follows mean expression. With weights of voom, this is not needed.
    robust
        Whether to estimate the prior robustly against genes with outlying variance, and to shrink these less (Phipson
        et al., Ann. Appl. Stat. 10, 2016).
    proportion
        Expected fraction of differentially expressed genes, for the B-statistic.

    Returns
    -------
    Moderated t, p-values, B, F, and moderated variances.

    Raises
    ------
    ValueError
        If `proportion` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import ebayes, lm_fit
    >>> expression = np.random.default_rng(0).normal(size=(6, 200))
    >>> result = ebayes(lm_fit(expression, np.repeat(np.eye(2), 3, axis=0)))
    >>> result.t.shape, bool((result.df >= 4).all())
    ((2, 200), True)
    """
    if not 0.0 < proportion < 1.0:
        msg = f"`proportion` must be between 0 and 1, but is {proportion}."
        raise ValueError(msg)
    prior, variance, df_total = moderate(fit, trend=trend, robust=robust)
    t = fit.coefficients / fit.stdev_unscaled
    t /= np.sqrt(variance)
    log_pval = two_sided_log_pval(t, df_total)
    f, rank = _joint(fit, t)
    return ModeratedFit(
        names=fit.names,
        coefficients=fit.coefficients,
        std_error=fit.stdev_unscaled * np.sqrt(variance),
        t=t,
        log_pval=log_pval,
        lods=_log_odds(fit, t, log_pval, df_total, prior, proportion),
        f=f,
        f_log_pval=np.full(len(f), np.nan) if rank == 0 else f_log_sf(f, rank, fit.df_residual + prior.df),
        f_rank=rank,
        ave_expr=fit.ave_expr,
        variance=variance,
        variance_prior=prior.variance,
        df_prior=prior.df,
        df=df_total,
    )


def squeeze(
    own: NDArray[np.float64], df: NDArray[np.float64], *, trend: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shrink residual variances towards their prior.

    Parameters
    ----------
    own, df
        Residual variance of each gene and its degrees of freedom.
    trend
        Mean expression of each gene, on which the prior may depend.

    Returns
    -------
    Variance of each gene and its total degrees of freedom.
    """
    prior = variance_prior(own, df, trend=trend)
    return posterior_variance(own, df, prior), np.minimum(df + prior.df, df.sum())


def posterior_variance(own: NDArray[np.float64], df: NDArray[np.float64], prior: VariancePrior) -> NDArray[np.float64]:
    """Posterior mean of the variance of each gene; the prior if its degrees of freedom are infinite."""
    finite = np.isfinite(prior.df)
    df_prior = np.where(finite, prior.df, 0.0)
    total = np.where(finite, df + df_prior, 1.0)
    return np.where(finite, (df * own + df_prior * prior.variance) / total, prior.variance)


def moderate(
    fit: LinearFit, *, trend: bool, robust: bool
) -> tuple[VariancePrior, NDArray[np.float64], NDArray[np.float64]]:
    """Moderate residual variances with a prior estimated from all genes.

    Parameters
    ----------
    fit
        Linear model.
    trend, robust
        As in :func:`ebayes`.

    Returns
    -------
    The prior, the moderated variance of each gene, and its total degrees of freedom.
    """
    own, df = fit.sigma**2, fit.df_residual
    along = fit.ave_expr if trend else None
    prior = (robust_variance_prior if robust else variance_prior)(own, df, trend=along)
    variance = posterior_variance(own, df, prior)
    # The total degrees of freedom cannot exceed those of all genes together
    df_total = np.minimum(df + prior.df, df.sum())
    return prior, variance, df_total


def _joint(fit: LinearFit, t: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """F-statistic over all contrasts, from their correlation without weights."""
    n, n_genes = t.shape
    if n == 1:
        return t[0] ** 2, 1
    if n > MAX_JOINT:
        return _joint_of_many(fit, t)
    covariance = fit.covariance
    scale = np.sqrt(np.diag(covariance))
    values, vectors = linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > _SINGULAR * values[-1]
    rotated = (vectors[:, kept] / np.sqrt(values[kept])).T @ t
    rank = int(kept.sum())
    return np.einsum("rg,rg->g", rotated, rotated) / rank, rank


def _joint_of_many(fit: LinearFit, t: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """As :func:`_joint`, if each contrast has a separate group: the covariance is diagonal plus a low-rank term.

    NaN, of rank 0, if it is not, or if contrasts are linearly dependent.
    """
    n, n_genes = t.shape
    own, common = sparse.csc_array(fit.root[0]), fit.root[1]
    n_sharing = np.diff(own.indptr)
    if (n_sharing > 1).sum() + common.shape[1] > MAX_JOINT:
        return np.full(n_genes, np.nan), 0
    common = np.hstack([own[:, n_sharing > 1].toarray(), common])
    diagonal = np.asarray(own[:, n_sharing == 1].power(2).sum(axis=1)).ravel()
    variance = diagonal + np.square(common).sum(axis=1)
    # No eigenvalue of the correlation matrix is below the least fraction of its own, or above the number of contrasts
    if (diagonal / variance).min() <= _SINGULAR * n:
        return np.full(n_genes, np.nan), 0
    scaled = t * np.sqrt(variance / diagonal)[:, None]
    common /= np.sqrt(diagonal)[:, None]
    # The inverse of I + L L' is that of I less L (I + L' L)^-1 L'
    inner = linalg.cho_factor(np.eye(common.shape[1]) + common.T @ common)
    along = common.T @ scaled
    squares = np.einsum("cg,cg->g", scaled, scaled) - np.einsum("kg,kg->g", along, linalg.cho_solve(inner, along))
    return squares / n, n


def _log_odds(
    fit: LinearFit,
    t: NDArray[np.float64],
    log_pval: NDArray[np.float64],
    df: NDArray[np.float64],
    prior: VariancePrior,
    proportion: float,
) -> NDArray[np.float64]:
    limits = np.array([0.1, 4.0]) ** 2 / np.median(prior.variance)
    lods = np.empty_like(t)
    for row in range(len(t)):
        unscaled = fit.stdev_unscaled[row] ** 2
        added = _effect_variance(np.abs(t[row]), log_pval[row], unscaled, df, proportion, limits)
        ratio = (unscaled + added) / unscaled
        squared = t[row] ** 2
        kernel = np.where(
            prior.df > 1e6,
            squared * (1.0 - 1.0 / ratio) / 2.0,
            (1.0 + df) / 2.0 * np.log((squared + df) / (squared / ratio + df)),
        )
        lods[row] = np.log(proportion / (1.0 - proportion)) - np.log(ratio) / 2.0 + kernel
    return lods


def _effect_variance(
    t: NDArray[np.float64],
    log_pval: NDArray[np.float64],
    unscaled: NDArray[np.float64],
    df: NDArray[np.float64],
    proportion: float,
    limits: NDArray[np.float64],
) -> float:
    """Variance of the nonzero effects, from the most significant t-statistics."""
    n = len(t)
    n_top = int(np.ceil(proportion / 2.0 * n))
    share = max(n_top / n, proportion)
    largest_df = float(df.max())
    top = np.argsort(log_pval, kind="stable")[:n_top]
    null, highest = np.exp(log_pval[top]), t[top]
    # t-statistics of equal p-value, as genes may differ in their degrees of freedom
    fewer = df[top] < largest_df
    highest[fewer] = upper_quantile(log_pval[top][fewer], largest_df)
    target = ((np.arange(n_top) + 0.5) / n - (1.0 - share) * null) / share
    added = np.zeros(n_top)
    beyond = target > null
    if beyond.any():
        expected = upper_quantile(np.log(target[beyond]), largest_df)
        added[beyond] = unscaled[top][beyond] * ((highest[beyond] / expected) ** 2 - 1.0)
    return float(np.clip(added, *limits).mean())
