from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import special

from scpi._rng import as_generator
from scpi._slots import listed
from scpi.de._contrast_effects import contrast_effects, effects_prior, set_members
from scpi.de._ebayes import posterior_variance
from scpi.de._fdr import false_discovery_control
from scpi.de._variance_prior import VariancePrior

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SetStatistic = Literal["mean", "floormean", "mean50", "msq"]
# Degrees of freedom beyond which t is normal
_MOST = 10_000.0


def roast(
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
    statistic: SetStatistic = "mean",
    n_rotations: int = 1999,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Test whether any gene of a set is differentially expressed, by random rotations of the samples.

    This is the test of :func:`fry` with a finite number of rotations (Wu et al., Bioinformatics 26, 2010). It uses
    moderated gene statistics, offers several set statistics, and reports the fraction of genes that contribute. The
    smallest p-value is about 1 / `n_rotations`. All sets are tested with the same rotations.

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
    statistic
        Set statistic, computed from the gene statistics: `"mean"`; `"floormean"`, for sets with fewer differentially
        expressed genes; `"mean50"`, the mean of the top half of the genes; `"msq"`, the mean square, for sets in which
        few genes are differentially expressed.
    n_rotations
        Number of rotations.
    rng
        Seed or generator of the rotations.

    Returns
    -------
    One row per set, in their order: `set`, `n_genes`, `prop_down` and `prop_up` (fractions of genes with a normal score
    beyond the square root of 2), `direction` ("up" or "down"), `pval` (genes change in one direction), `pval_adj`
    (Benjamini-Hochberg of mid-p-values), `pval_mixed` (genes change in either direction) and `pval_mixed_adj`.

    Raises
    ------
    ValueError
        If the shapes do not match, a set has no gene or all of them, the contrast or the statistic is unknown,
        `n_rotations` is below 1, or the design is not of full rank.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import roast
    >>> expression = np.random.default_rng(0).normal(size=(8, 200))
    >>> expression[4:, :20] += 2.0
    >>> sets = np.arange(200)[:, None] // 20 == np.arange(2)
    >>> (roast(expression, np.repeat(np.eye(2), 4, axis=0), sets, contrast=[-1, 1])["pval"] < 0.01).tolist()
    [True, False]
    """
    if statistic not in get_args(SetStatistic):
        msg = f"`statistic` must be one of {listed(get_args(SetStatistic))}, but is {statistic!r}."
        raise ValueError(msg)
    if n_rotations < 1:
        msg = f"`n_rotations` must be at least 1, but is {n_rotations}."
        raise ValueError(msg)
    effects = contrast_effects(expression, design, contrast, weights, block=block, correlation=block_correlation)
    names, members = set_members(sets, len(effects))
    own, df, prior = effects_prior(effects, expression, trend=trend, robust=robust)
    total = np.minimum(df + prior.df, _MOST)
    observed = _as_normal(effects[:, 0] / np.sqrt(posterior_variance(own, df, prior)), total)
    directions = as_generator(rng).normal(size=(effects.shape[1], n_rotations))
    directions /= np.sqrt(np.square(directions).sum(axis=0))
    rows = []
    for name, genes in zip(names, members, strict=True):
        z = observed[genes]
        of_set = VariancePrior(prior.variance[genes], prior.df[genes])
        rotated = _rotate(effects[genes], directions, df[genes], of_set, total[genes])
        one_sided, down, mixed = _pvals(_statistics(z[:, None], statistic), _statistics(rotated, statistic), statistic)
        changed = float((z < -np.sqrt(2.0)).mean()), float((z > np.sqrt(2.0)).mean())
        rows.append((name, len(genes), *changed, "down" if down else "up", one_sided, mixed))
    columns = ["set", "n_genes", "prop_down", "prop_up", "direction", "pval", "pval_mixed"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(6, "pval_adj", _adjust(table["pval"].to_numpy(), n_rotations))
    return table.assign(pval_mixed_adj=_adjust(table["pval_mixed"].to_numpy(), n_rotations))


def _rotate(
    effects: NDArray[np.float64],
    directions: NDArray[np.float64],
    df: NDArray[np.float64],
    prior: VariancePrior,
    total: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Normal scores of genes along random directions, genes x rotations."""
    along = effects @ directions
    residual = (np.square(effects).sum(axis=1)[:, None] - np.square(along)) / df[:, None]
    across = VariancePrior(prior.variance[:, None], prior.df[:, None])
    return _as_normal(along / np.sqrt(posterior_variance(residual, df[:, None], across)), total[:, None])


def _as_normal(t: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal deviates of t-statistics, by the approximation of Bailey (J. Appl. Stat. 7, 1980)."""
    scale = (df + 0.125) / (df + 1.125)
    return np.asarray(scale * np.sqrt((df + 19.0 / 12.0) * np.log1p(t**2 / (df + 1.0 / 12.0))) * np.sign(t))


def _statistics(z: NDArray[np.float64], statistic: SetStatistic) -> tuple[NDArray[np.float64], ...]:
    """Statistics of a set for change downwards, upwards and in either direction, of genes x rotations."""
    if statistic == "mean":
        mean = z.mean(axis=0)
        return -mean, mean, np.abs(z).mean(axis=0)
    if statistic == "floormean":
        least = np.maximum(np.abs(z), special.ndtri(0.75)).mean(axis=0)
        return np.maximum(-z, 0.0).mean(axis=0), np.maximum(z, 0.0).mean(axis=0), least
    if statistic == "msq":
        down, up = (np.square(np.maximum(one, 0.0)).mean(axis=0) for one in (-z, z))
        return down, up, np.square(z).mean(axis=0)
    half = (len(z) + 1) // 2
    ordered, sizes = np.sort(z, axis=0), np.sort(np.abs(z), axis=0)
    return -ordered[:half].mean(axis=0), ordered[-half:].mean(axis=0), sizes[-half:].mean(axis=0)


def _pvals(
    observed: tuple[NDArray[np.float64], ...], rotated: tuple[NDArray[np.float64], ...], statistic: SetStatistic
) -> tuple[float, bool, float]:
    """p-value of a change in one direction, whether it is down, and p-value of a change in either direction."""
    n = len(rotated[0])
    both = np.concatenate(rotated[:2])
    n_down, n_up = (int((both > one[0]).sum()) for one in observed[:2])
    if statistic == "mean":
        n_larger = min(n_down, n_up)
    else:
        n_larger = int((np.maximum(*rotated[:2]) > max(observed[0][0], observed[1][0])).sum())
    n_mixed = int((rotated[2] > observed[2][0]).sum())
    return (n_larger + 1) / (n + 1), n_up >= n_down, (n_mixed + 1) / (n + 1)


def _adjust(pval: NDArray[np.float64], n_rotations: int) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjustment of mid-p-values, not below the p-values."""
    return np.maximum(false_discovery_control(pval - 0.5 / (n_rotations + 1)), pval)
