from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.de._ebayes import ModeratedFit, moderate
from scpi.de._student import upper_log_tail

if TYPE_CHECKING:
    from scpi.de._lm_fit import LinearFit


def treat(fit: LinearFit, *, log2fc_min: float, trend: bool = False, robust: bool = False) -> ModeratedFit:
    """Test whether the absolute value of coefficients or contrasts is above a minimum.

    The null hypothesis is that a log fold change is between `-log2fc_min` and `log2fc_min`. Filtering significant genes
    by fold change afterwards gives no such guarantee (McCarthy and Smyth, Bioinformatics 25, 2009).

    Parameters
    ----------
    fit
        Linear model from :func:`lm_fit` or :func:`contrasts`.
    log2fc_min
        Smallest log2 fold change of interest.
    trend, robust
        As in :func:`ebayes`.

    Returns
    -------
    Moderated variances and tests. t refers to the excess of the coefficient over the minimum, and is zero without
    excess. B- and F-statistics are NaN.

    Raises
    ------
    ValueError
        If the minimum is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import ebayes, lm_fit, treat
    >>> expression = np.random.default_rng(0).normal(size=(6, 200))
    >>> fit = lm_fit(expression, [[1, 0], [1, 0], [1, 0], [1, 1], [1, 1], [1, 1]])
    >>> bool((treat(fit, log2fc_min=1.0).pval[1] >= ebayes(fit).pval[1]).all())
    True
    """
    if not 0.0 <= log2fc_min < np.inf:
        msg = f"`log2fc_min` must be a finite number from 0 on, but is {log2fc_min}."
        raise ValueError(msg)
    prior, variance, df = moderate(fit, trend=trend, robust=robust)
    std_error = fit.stdev_unscaled * np.sqrt(variance)
    size = np.abs(fit.coefficients)
    beyond = (size - log2fc_min) / std_error
    log_pval = np.logaddexp(upper_log_tail(beyond, df), upper_log_tail((size + log2fc_min) / std_error, df))
    none = np.full(fit.coefficients.shape[1], np.nan)
    return ModeratedFit(
        names=fit.names,
        coefficients=fit.coefficients,
        std_error=std_error,
        t=np.sign(fit.coefficients) * np.maximum(beyond, 0.0),
        log_pval=np.minimum(log_pval, 0.0),
        lods=np.full(fit.coefficients.shape, np.nan),
        f=none,
        f_log_pval=none,
        f_rank=0,
        ave_expr=fit.ave_expr,
        variance=variance,
        variance_prior=prior.variance,
        df_prior=prior.df,
        df=df,
    )
