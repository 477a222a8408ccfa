from __future__ import annotations

import pandas as pd

from scpi.de._registry import registered


def methods() -> pd.DataFrame:
    """List the tests that :func:`scpi.de.rank_genes` knows.

    Returns
    -------
    One row for each test: `method` (its name), `takes` (log-normalised `expression` or `counts`), `unit` (what counts
    as one independent observation, a `cell` or a `sample`), `adjusts` (whether it takes covariates), `options` (further
    keyword arguments), `null` (the null hypothesis), `source`, and `package` (what `pip install` has to add for it, or
    nothing).

    Examples
    --------
    >>> import scpi
    >>> "wilcoxon" in set(scpi.de.methods()["method"])
    True
    """
    return pd.DataFrame(
        [
            {
                "method": method.name,
                "takes": method.takes,
                "unit": method.unit,
                "adjusts": method.adjusts,
                "options": ", ".join(method.options),
                "null": method.null,
                "source": method.source,
                "package": method.package or "",
            }
            for method in registered().values()
        ]
    )
