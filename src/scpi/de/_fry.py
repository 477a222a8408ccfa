from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special

from scpi.de._contrast_effects import contrast_effects, effects_prior, set_members
from scpi.de._ebayes import posterior_variance
from scpi.de._fdr import false_discovery_control
from scpi.de._variance_prior import unit_quadrature

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Degrees of freedom of the robust variance, relative to those of the residuals
_EFFICIENCY = 0.92


def fry(
    expression: ArrayLike,
    design: ArrayLike | pd.DataFrame,
    sets: Any,
    *,
    contrast: ArrayLike | str,
    weights: ArrayLike | None = None,
    block: ArrayLike | None = None,
    block_correlation: float | None = None,
    trend: bool = False,
    robust: bool = False,
) -> pd.DataFrame:
    """Test whether any gene of a set is differentially expressed, irrespective of other genes.

    This is a self-contained test: the null hypothesis is that no gene of the set is differentially expressed. It is the
    rotation test of Wu et al. (Bioinformatics 26, 2010) with infinitely many rotations, in closed form, and accounts
    for any correlation between the genes.

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
    trend, robust
        Whether the prior variance follows mean expression, and is robust to genes with outlying variance: see
        :func:`ebayes`.

    Returns
    -------
    One row per set, in their order: `set`, `n_genes`, `direction` ("up" or "down"), `pval` (genes change in one
    direction), `pval_adj` (Benjamini-Hochberg), `pval_mixed` (genes change in either direction) and `pval_mixed_adj`.

    Raises
    ------
    ValueError
        If the shapes do not fit, a set has no gene or all of them, the contrast is unknown, or the design is not of full
        rank.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import fry
    >>> expression = np.random.default_rng(0).normal(size=(8, 200))
    >>> expression[4:, :20] += 2.0
    >>> sets = np.arange(200)[:, None] // 20 == np.arange(2)
    >>> (fry(expression, np.repeat(np.eye(2), 4, axis=0), sets, contrast=[-1, 1])["pval"] < 0.01).tolist()
    [True, False]
    """
    effects = contrast_effects(expression, design, contrast, weights, block=block, correlation=block_correlation)
    df = effects.shape[1] - 1
    names, members = set_members(sets, len(effects))
    _, residual, prior = effects_prior(effects, expression, trend=trend, robust=robust)
    variance = posterior_variance(_robust_variance(effects), _EFFICIENCY * residual, prior)
    effects = effects / np.sqrt(variance)[:, None]
    rows = []
    for name, genes in zip(names, members, strict=True):
        mean = effects[genes].mean(axis=0)
        t = mean[0] / np.sqrt(np.square(mean[1:]).mean())
        one_sided = 2.0 * special.stdtr(df, -abs(t))
        mixed = _mixed(effects[genes]) if len(genes) > 1 else one_sided
        rows.append((name, len(genes), "up" if t > 0 else "down", one_sided, mixed))
    table = pd.DataFrame(rows, columns=["set", "n_genes", "direction", "pval", "pval_mixed"])
    table.insert(4, "pval_adj", false_discovery_control(table["pval"]))
    return table.assign(pval_mixed_adj=false_discovery_control(table["pval_mixed"]))


def _robust_variance(effects: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the effects of each gene, without the largest one, which may be a true effect."""
    squares, n = np.square(effects), effects.shape[1]
    nodes, weights = unit_quadrature()
    largest = float((n * nodes ** (n - 1) * special.chdtri(1, 1.0 - nodes)) @ weights)
    return np.asarray((squares.sum(axis=1) - squares.max(axis=1)) / (n - largest))


def _mixed(effects: NDArray[np.float64]) -> float:
    """Probability that the squares of a random rotation exceed those of the contrast, by a beta distribution."""
    lengths = np.square(np.linalg.svd(effects, compute_uv=False))
    n, lowest, range_ = len(lengths), lengths[-1], lengths[0] - lengths[-1]
    observed = (np.square(effects[:, 0]).sum() - lowest) / range_
    # The squares of a random direction follow a Dirichlet distribution: mean and variance
    mean = (lengths.mean() - lowest) / range_
    spread = (n - 1) / n**2 / (n / 2.0 + 1.0)
    covariance = np.where(np.eye(n, dtype=bool), spread, -spread / (n - 1))
    variance = lengths @ covariance @ lengths / range_**2
    total = mean * (1.0 - mean) / variance - 1.0
    return float(special.betainc((1.0 - mean) * total, mean * total, 1.0 - observed))
