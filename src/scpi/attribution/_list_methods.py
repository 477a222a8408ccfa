from __future__ import annotations

import pandas as pd

from scpi.attribution._registry import registered


def methods() -> pd.DataFrame:
    """List the methods of attribution, such as for :func:`scpi.attribution.attribute_groups`.

    Returns
    -------
    One row per method: `method` (name), `means` (meaning of the attribution of a gene), `baseline` (default baseline),
    `complete` (whether attributions sum to the difference between the output and that of the baseline), `signed`
    (whether the sign is the direction in which a gene moves the output), `options` (further keyword arguments) and
    `source`.

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
