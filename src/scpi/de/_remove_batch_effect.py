from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi.de._covariates import is_slope, read_covariates
from scpi.de._design import as_design
from scpi.de._lm_fit import lm_fit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def remove_batch_effect(
    expression: ArrayLike,
    batch: ArrayLike | pd.Series | pd.DataFrame,
    *,
    design: ArrayLike | pd.DataFrame | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Subtract batch effects from log expression, for figures.

    For tests, include the batch in the design instead: a test of corrected values would treat them as measured.

    Parameters
    ----------
    expression
        Log expression, samples x genes.
    batch
        Batch of each sample, or a DataFrame of several: text, categories and two numbers are batches, more numbers are
        covariates.
    design
        Model matrix of the effects to keep, samples x coefficients, such as the conditions; only the mean if omitted.
    weights
        Precision weights, positive, samples x genes or one for each sample.

    Returns
    -------
    Log expression at the mean of the batches, and with each numeric covariate at zero: centre covariates to keep the
    mean expression.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is missing, or the batches are confounded with the effects to keep.

    Examples
    --------
    >>> from scpi.de import remove_batch_effect
    >>> remove_batch_effect([[1.0], [2.0], [5.0], [6.0]], ["x", "x", "y", "y"]).ravel().tolist()
    [3.0, 4.0, 3.0, 4.0]
    """
    values = np.asarray(expression, dtype=np.float64)
    frame = batch if isinstance(batch, pd.DataFrame) else pd.DataFrame({"batch": np.asarray(batch)})
    read = read_covariates(frame.reset_index(drop=True))
    if values.ndim != 2 or len(read) != len(values):
        msg = f"`batch` has {len(read)} rows, but `expression` has shape {values.shape}: both have one row per sample."
        raise ValueError(msg)
    columns = pd.concat([_columns(read[name]) for name in read], axis=1)
    kept = (
        pd.DataFrame({"mean": np.ones(len(values))})
        if design is None
        else pd.DataFrame(np.asarray(design, dtype=float))
    )
    both = pd.concat([kept.add_prefix("kept "), columns], axis=1)
    fit = lm_fit(values, as_design(both, n_samples=len(values)), weights=weights)
    return values - columns.to_numpy() @ fit.coefficients[kept.shape[1] :]


def _columns(values: pd.Series) -> pd.DataFrame:
    """Columns whose effects sum to zero over batches; numbers are unchanged."""
    if is_slope(values):
        return pd.DataFrame({str(values.name): values})
    codes, levels = pd.factorize(values, sort=True)
    last = len(levels) - 1
    coded = {f"{values.name}={levels[i]}": (codes == i) * 1.0 - (codes == last) for i in range(last)}
    return pd.DataFrame(coded, index=values.index)
