"""The rule that decides which covariates are numbers and which are categories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._slots import listed
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Sequence

# Columns of such names hold the names of things, even where they are written as numbers
_IDENTIFIERS = frozenset(
    [
        "animal",
        "batch",
        "channel",
        "chip",
        "clone",
        "cluster",
        "donor",
        "experiment",
        "id",
        "ident",
        "individual",
        "lane",
        "library",
        "mouse",
        "patient",
        "plate",
        "pool",
        "rep",
        "replicate",
        "run",
        "sample",
        "subject",
        "well",
    ]
)

# Those that clusters may have as well
_OF_GROUPS = frozenset(["clone", "cluster", "id", "ident"])


def is_number(column: pd.Series) -> bool:
    """Whether a covariate is a number: a column of a numeric type, but not of booleans."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def is_slope(column: pd.Series) -> bool:
    """Whether a covariate is a number with more than two values. Two numbers are two levels, whatever the numbers are."""
    return is_number(column) and column.nunique() > 2


def read_covariates(frame: pd.DataFrame, *, slopes: Sequence[str] | None = None) -> pd.DataFrame:
    """Prepare covariates for a design.

    Parameters
    ----------
    frame
        Columns to adjust for.
    slopes
        Columns that are used untransformed, so that numbers among them are slopes; all if `None`.

    Returns
    -------
    Numbers in double precision, and all others as categories that occur, in the order of a categorical or else sorted
    as text.

    Raises
    ------
    ValueError
        If values are missing or infinite.

    Warns
    -----
    UserWarning
        If a column of numbers looks like names.
    """
    incomplete = [str(name) for name in frame if frame[name].isna().any()]
    if incomplete:
        msg = f"The covariates have missing values: {listed(incomplete)}. Leave those cells or samples out."
        raise ValueError(msg)
    read = {}
    for name in frame:
        column = frame[name]
        if is_number(column):
            read[name] = column.astype(np.float64)
            if not np.isfinite(read[name]).all():
                msg = f"Covariates must be finite, but {name} is not."
                raise ValueError(msg)
        else:
            read[name] = _categories(column)
    numbers = [name for name in (frame if slopes is None else slopes) if name in frame and is_number(frame[name])]
    doubtful = [str(name) for name in numbers if _looks_like_names(str(name), frame[name])]
    if doubtful:
        warn_user(
            f"The covariates {listed(doubtful)} hold numbers and are used as slopes, but look like names. If they are, "
            "turn them into text: `adata.obs[column] = adata.obs[column].astype(str)`."
        )
    return pd.DataFrame(read, index=frame.index)


def names_batches(name: str) -> bool:
    """Whether a column of this name identifies batches, samples or donors."""
    return bool(_identifiers(name) - _OF_GROUPS)


def _identifiers(name: str) -> set[str]:
    """Words of a name that stand for things."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    return {stem for word in words for stem in (word, word.removesuffix("s"))} & _IDENTIFIERS


def _looks_like_names(name: str, values: pd.Series) -> bool:
    return bool(_identifiers(name)) and is_slope(values) and bool((values == np.rint(values)).all())


def _categories(column: pd.Series) -> pd.Categorical:
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories()
        return pd.Categorical.from_codes(
            used.cat.codes, categories=pd.Index(map(str, used.cat.categories), dtype=object)
        )
    return pd.Categorical(column.astype(str))
