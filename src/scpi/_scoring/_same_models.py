"""Models that made the same predictions, and count as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._model_names import joined
from scpi._scoring._conventions import LEAK_RISK, LEAKS
from scpi._scoring._metrics import METRICS, NAMES

if TYPE_CHECKING:
    import pandas as pd

_TOLERANCE = 1e-9
# Not conditions: what differs between the rows of equal models as well
_NO_KEYS = frozenset({"model", "seconds", "status", LEAK_RISK, LEAKS, *NAMES})
# Ranks and counts of genes are often the same for different predictions
_TELLING = tuple(name for name, one in METRICS.items() if one.space != "tests" and name != "sign_accuracy")


def same_models(table: pd.DataFrame) -> list[list[str]]:
    """Groups of two models or more with the same scores in every row of a table of scores.

    Scores may differ by 1e-9. Of models without a value of any metric that tells predictions apart, nothing is known.
    """
    metrics = [name for name in NAMES if name in table]
    telling = [name for name in _TELLING if name in table]
    keys = [name for name in table if name not in _NO_KEYS]
    groups: list[tuple[pd.DataFrame, list[str]]] = []
    for name, rows in table.groupby("model", sort=False, observed=True):
        own = rows.sort_values(keys, kind="stable").reset_index(drop=True) if keys else rows.reset_index(drop=True)
        if not np.isfinite(own[telling].to_numpy(np.float64)).any():
            continue
        for first, members in groups:
            x, y = (of[metrics].to_numpy(np.float64) for of in (first, own))
            if first[keys].equals(own[keys]) and np.allclose(x, y, rtol=0, atol=_TOLERANCE, equal_nan=True):
                members.append(str(name))
                break
        else:
            groups.append((own, [str(name)]))
    return [members for _, members in groups if len(members) > 1]


def name_once(table: pd.DataFrame) -> pd.DataFrame:
    """A table of scores in which models that made the same predictions are one, at the place of the first."""
    for first, *others in same_models(table):
        table = table[~table["model"].isin(others)]
        table = table.assign(model=table["model"].astype(object).replace(first, joined([first, *others])))
    return table
