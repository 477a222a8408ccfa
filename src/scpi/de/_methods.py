from __future__ import annotations

import pandas as pd

from scpi.de._registry import registered


def methods() -> pd.DataFrame:
    """List the tests that :func:`scpi.de.rank_genes` knows.

    Returns
    -------
    One row for each test: `method` (its name), `takes` (log-normalised `expression` or `counts`), `unit` (what counts
    as one independent observation, a `cell` or a `sample`), `null` (the null hypothesis), `source`, and `extra` (what
    `pip install 'scpi[...]'` has to add for it, or nothing).

    Examples
    --------
    >>> import scpi
    >>> "wilcoxon" in set(scpi.de.methods()["method"])
    True
    """
    columns = ("name", "takes", "unit", "null", "source", "extra")
    rows = [[getattr(method, column) or "" for column in columns] for method in registered().values()]
    return pd.DataFrame(rows, columns=["method", *columns[1:]])
