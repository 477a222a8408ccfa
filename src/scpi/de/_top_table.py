from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy import special

from scpi._slots import listed
from scpi.de._fdr import false_discovery_control

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.de._ebayes import ModeratedFit

SortBy = Literal["pval", "B", "logFC", "none"]


def top_table(
    fit: ModeratedFit,
    coef: str | int | None = None,
    *,
    genes: Sequence[str] | None = None,
    n: int | None = None,
    sort_by: SortBy = "pval",
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Tabulate the genes of one coefficient, or of the joint test of all coefficients.

    Parameters
    ----------
    fit
        Tests from :func:`ebayes`.
    coef
        Name or number of the coefficient or contrast. If `None`, the joint F-test, unless there is only one
        coefficient.
    genes
        Names of the genes; numbers if omitted.
    n
        Number of rows to keep; all if `None`.
    sort_by
        Sort by p-value, B, absolute log fold change, or not at all. The F-test supports only p-values.
    confidence_level
        Coverage of the pointwise confidence intervals.

    Returns
    -------
    One row per gene. With one coefficient: `logFC` (the coefficient; with :func:`voom`, a difference of mean log2
    counts per million), `ci_low`, `ci_high`, `ave_expr`, `t`, `pval`, `log10_pval` (finite if `pval` underflows),
    `pval_adj` (Benjamini-Hochberg) and `B`. With the joint test: the coefficients by name, then `ave_expr`, `F`,
    `pval`, `log10_pval` and `pval_adj`.

    Raises
    ------
    ValueError
        If the coefficient, the order or the confidence level is invalid, or the number of names does not match.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import ebayes, lm_fit, top_table
    >>> expression = np.random.default_rng(0).normal(size=(6, 200))
    >>> expression[3:, 7] += 9.0
    >>> fit = ebayes(lm_fit(expression, [[1, 0], [1, 0], [1, 0], [1, 1], [1, 1], [1, 1]]))
    >>> int(top_table(fit, 1, n=1).index[0])
    7
    """
    if sort_by not in get_args(SortBy):
        msg = f"`sort_by` must be one of {listed(get_args(SortBy))}, but is {sort_by!r}."
        raise ValueError(msg)
    if not 0.0 < confidence_level < 1.0:
        msg = f"`confidence_level` must be between 0 and 1, but is {confidence_level}."
        raise ValueError(msg)
    n_genes = fit.t.shape[1]
    if genes is not None and len(genes) != n_genes:
        msg = f"`genes` has {len(genes)} names for {n_genes} genes."
        raise ValueError(msg)
    index = pd.RangeIndex(n_genes) if genes is None else pd.Index(genes)
    if coef is None and len(fit.names) > 1:
        table = pd.DataFrame(fit.coefficients.T, index=index, columns=list(fit.names))
        table["ave_expr"] = fit.ave_expr
        table["F"] = fit.f
        log_pval = fit.f_log_pval
    else:
        row = _row(fit, 0 if coef is None else coef)
        # Quantile of the lower tail: subtracting from 1 would lose digits
        margin = -special.stdtrit(fit.df, (1.0 - confidence_level) / 2.0) * fit.std_error[row]
        columns = {
            "logFC": fit.coefficients[row],
            "ci_low": fit.coefficients[row] - margin,
            "ci_high": fit.coefficients[row] + margin,
            "ave_expr": fit.ave_expr,
            "t": fit.t[row],
        }
        table = pd.DataFrame(columns, index=index)
        log_pval = fit.log_pval[row]
    table["pval"] = np.exp(log_pval)
    table["log10_pval"] = log_pval / np.log(10.0)
    table["pval_adj"] = false_discovery_control(np.exp(log_pval))
    if "t" in table:
        table["B"] = fit.lods[row]
    order = np.arange(n_genes)
    if sort_by == "B" and "B" in table:
        order = np.argsort(-table["B"].to_numpy(), kind="stable")
    elif sort_by == "logFC" and "logFC" in table:
        order = np.argsort(-np.abs(table["logFC"].to_numpy()), kind="stable")
    elif sort_by != "none":
        order = np.argsort(log_pval, kind="stable")
    return table.iloc[order[:n]]


def _row(fit: ModeratedFit, coef: str | int) -> int:
    if isinstance(coef, str):
        if coef not in fit.names:
            msg = f"`coef` is {coef!r}, but the coefficients are {listed(fit.names)}."
            raise ValueError(msg)
        return fit.names.index(coef)
    if not 0 <= coef < len(fit.names):
        msg = f"`coef` is {coef}, but there are {len(fit.names)} coefficients."
        raise ValueError(msg)
    return int(coef)
