"""Rows of features: one per perturbation, of length 1, or 0 where a source has nothing about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._gene_sets._ids import describe_ids, without_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def unit_rows(values: Any) -> Any:
    """Rows of a matrix, dense or sparse, divided by their length, in single precision; those of zeros stay."""
    squared = values.multiply(values) if sparse.issparse(values) else np.square(values)
    length = np.sqrt(np.asarray(squared.sum(axis=1), dtype=np.float64)).ravel()
    factor = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    if sparse.issparse(values):
        return sparse.csr_matrix(sparse.diags(factor) @ values, dtype=np.float32)
    return (factor[:, None] * values).astype(np.float32)


def covered_rows(values: Any) -> NDArray[np.bool_]:
    """Whether each row of a matrix, dense or sparse, has a value other than zero."""
    if sparse.issparse(values):
        return np.asarray(np.diff(sparse.csr_matrix(values).indptr) > 0)
    return np.asarray((np.asarray(values) != 0).any(axis=1))


def find_rows(ids: Sequence[str], known: Sequence[str], *, case: str, what: str) -> NDArray[np.intp]:
    """Place of each id among those that a source knows, the first if it is there twice; -1 where it is not.

    Versions of Ensembl ids are ignored. Ids are compared in upper case if ``case`` is ``"upper"``, or ``"auto"`` and none
    is found as it is. A `ValueError` names the kinds of ids on both sides if none is found.
    """
    given, there = ([without_version(name) for name in names] for names in (ids, known))
    for upper in [False, True] if case == "auto" else [case == "upper"]:
        place: dict[str, int] = {}
        for row, name in enumerate(there):
            place.setdefault(name.upper() if upper else name, row)
        found = np.array([place.get(name.upper() if upper else name, -1) for name in given], dtype=np.intp)
        if (found >= 0).any():
            return found
    msg = (
        f"No perturbation is in {what}. The perturbations are {describe_ids(given)}; it has {describe_ids(there)}. "
        "Translate the perturbations into its ids with `id_map`."
    )
    raise ValueError(msg)


def take_rows(values: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Rows of a table by their place, and zeros where there is none."""
    taken = np.zeros((len(rows), values.shape[1]))
    taken[rows >= 0] = values[rows[rows >= 0]]
    return taken
