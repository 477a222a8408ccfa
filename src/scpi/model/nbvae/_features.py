"""Features of the categories of covariates, such as fingerprints of compounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class Features(NamedTuple):
    """Categories and what is known of each."""

    categories: list[str]
    """Those of the cells, in their order, and then the others."""
    values: NDArray[np.float32]
    """Standardised features, categories x features."""


def align_features(tables: Mapping[str, pd.DataFrame], categories: Mapping[str, Sequence[str]]) -> dict[str, Features]:
    """Features of covariates in the order of their categories.

    They are centred and scaled by the categories of the cells, so that these have a mean square norm of one, as
    indicators do. Features that do not differ between these are left out: nothing can be learnt from them.

    Raises
    ------
    TypeError
        If a table is not a DataFrame.
    KeyError
        If a covariate is unknown.
    ValueError
        If a category has no row or several, or a value is not a finite number, or no feature varies.
    """
    return {name: _aligned(name, table, categories) for name, table in tables.items()}


def _aligned(name: str, table: pd.DataFrame, categories: Mapping[str, Sequence[str]]) -> Features:
    if name not in categories:
        msg = f"`covariate_features` has {name!r}, but the categorical covariates are {listed(categories)}."
        raise KeyError(msg)
    if not isinstance(table, pd.DataFrame):
        msg = f"`covariate_features[{name!r}]` must be a DataFrame, categories x features, not {type(table).__name__}."
        raise TypeError(msg)
    rows = pd.Index(table.index.astype(str))
    missing = [category for category in categories[name] if category not in rows]
    if missing or not rows.is_unique:
        fault = f"no row for {listed(missing)}" if missing else f"repeated rows, {listed(rows[rows.duplicated()])}"
        msg = f"`covariate_features[{name!r}]` must have one row for each category, but has {fault}."
        raise ValueError(msg)
    known = list(categories[name])
    every = [*known, *(row for row in rows if row not in set(known))]
    values = table.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)[rows.get_indexer(pd.Index(every))]
    if not np.isfinite(values).all():
        msg = f"`covariate_features[{name!r}]` must hold finite numbers only."
        raise ValueError(msg)
    of_cells = values[: len(known)]
    sd = of_cells.std(axis=0)
    varied = sd > 0
    if not varied.any():
        msg = f"No feature of `covariate_features[{name!r}]` differs between the categories of the cells."
        raise ValueError(msg)
    scaled = (values[:, varied] - of_cells[:, varied].mean(axis=0)) / (sd[varied] * np.sqrt(varied.sum()))
    return Features(every, scaled.astype(np.float32))
