from __future__ import annotations

import pandas as pd

from scpi.attribution._registry import registered


def methods() -> pd.DataFrame:
    """List the methods that :func:`scpi.attribution.attribute_groups` and its sister know.

    Returns
    -------
    One row for each method: `method` (its name), `means` (what the attribution of a gene is), `baseline` (what cells
    are compared with unless something else is given), `complete` (whether attributions sum to the difference of the
    output from that of the baseline), `signed` (whether the sign says in which direction a gene moves the output),
    `options` (further keyword arguments) and `source`.

    Examples
    --------
    >>> import scpi
    >>> "integrated_gradients" in set(scpi.attribution.methods()["method"])
    True
    """
    return pd.DataFrame(
        [
            {
                "method": method.name,
                "means": method.means,
                "baseline": method.baseline or "",
                "complete": method.complete,
                "signed": method.signed,
                "options": ", ".join(method.options),
                "source": method.source,
            }
            for method in registered().values()
        ]
    )
