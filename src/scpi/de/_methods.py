from __future__ import annotations

import pandas as pd

from scpi.de._registry import registered


def methods() -> pd.DataFrame:
    """List the tests of :func:`scpi.de.rank_genes`.

    Returns
    -------
    One row per test: `method` (its name), `takes` (log-normalised `expression` or `counts`), `unit` (the independent
    observation, a `cell` or a `sample`), `adjusts` (whether it adjusts for covariates), `options` (further keyword
    arguments), `null` (the null hypothesis), `source`, and `package` (an optional package that it needs, or empty).

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
