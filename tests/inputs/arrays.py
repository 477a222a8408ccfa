"""Calls of all metrics, made from their signatures, and the kinds of arrays that they are given."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

import scpi

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = np.random.default_rng(0)
VECTORS = [RNG.normal(size=12) for _ in range(3)]
MASKS = [np.arange(12) % 3 == 0, np.arange(12) % 2 == 0]
CELLS = [np.log1p(RNG.poisson(2.0, (n, 6)).astype(float)) for n in (14, 12, 16)]
CONDITIONS = [RNG.normal(size=(4, 8)) for _ in range(2)]
SQUARES = [np.triu(RNG.normal(size=(4, 4)), 1) for _ in range(2)]
WEIGHTS = RNG.uniform(size=(5, 3))
LABELS = [np.repeat(["a", "b", "c"], 5), np.repeat(["x", "y", "z"], [4, 5, 6])]
UNITS = [RNG.normal(size=(40, 4)), RNG.normal(size=(40, 3))]

# Values of the arguments without a default, by their names, so that a new metric is called without a word here
ARGUMENTS: dict[str, Any] = {
    **dict(zip(["real", "predicted", "weights"], VECTORS, strict=True)),
    **dict(zip(["first", "second", "score"], VECTORS, strict=True)),
    **dict(zip(["error", "effect", "value"], VECTORS, strict=True)),
    **dict(zip(["confidence", "risk"], VECTORS, strict=False)),
    **dict.fromkeys(["significant", "member_mask"], MASKS[0]),
    "predicted_significant": MASKS[1],
    **dict(zip(["x", "y", "control"], CELLS, strict=True)),
    "cells": CELLS[0],
    **dict(zip(["true", "scores"], SQUARES, strict=True)),
    "estimated": SQUARES[1],
    "graph": SQUARES[0],
    "permutation": [2, 0, 1, 3],
    **dict.fromkeys(["matrix", "importance"], WEIGHTS),
    "similarity": WEIGHTS.T,
    **dict(zip(["labels", "truth"], LABELS, strict=True)),
    "embedding": UNITS[0][:15],
    **dict(zip(["units", "truths"], UNITS, strict=True)),
    "saliency": UNITS[0],
    "programs": UNITS[1] > 0,
    "baseline": 0.1,
    "ceiling": 0.9,
    "base": 2.0,
    "correlation": VECTORS[0] / 9,
    "n_both": 3,
    "n_first": 5,
    "n_second": 6,
    "n_genes": 100,
    "rankings": {"a": VECTORS[0], "b": VECTORS[1]},
}
OWN: dict[str, dict[str, Any]] = {
    "agreement_matrix": {"k": 4, "n_genes": 12},
    "dci": {"n_trees": 5},
    "dynamic_range_fraction": {"perfect": 1.0},
    "hits_at_n": {"n": 4},
    "lfc_nmae": {"min_genes": 2},
    "lfc_spearman": {"min_genes": 2},
    "precision_at_k": {"k": 4},
    "score_change": {"k": 4},
    "target_recovery": {"factors": np.array([0, 1, 2]), "latents": np.array([0, 2, 2])},
    "top_k_jaccard": {"k": 4},
    "top_k_overlap": {"k": 4},
    "significant_jaccard": {"real": MASKS[0], "predicted": MASKS[1]},
    "weighted_mse": {"weights": np.abs(VECTORS[2])},
    "weighted_r2": {"weights": np.abs(VECTORS[2])},
    "mse_normalised": {"error": VECTORS[0] ** 2, "effect": VECTORS[1] ** 2},
}


def metrics() -> dict[str, Callable[..., Any]]:
    """Public metrics."""
    names = (name for name in scpi.metrics.__all__ if inspect.isfunction(getattr(scpi.metrics, name)))
    return {name: getattr(scpi.metrics, name) for name in names}


def is_of_cells(name: str) -> bool:
    """Whether a metric compares cells, whose number may differ."""
    doc = _given(name)
    return "cells x genes" in doc or "observations x features" in doc or name == "distance_ratio"


def takes_sparse(name: str) -> bool:
    return is_of_cells(name) and "sparse" in _given(name)


def arguments(name: str) -> dict[str, Any]:
    """Arguments of a call of a metric."""
    parameters = inspect.signature(metrics()[name]).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty]
    if is_of_cells(name):
        return dict(zip(required, CELLS, strict=False))
    if "conditions x genes, the same conditions" in _given(name):
        return dict(zip(required, CONDITIONS, strict=False))
    return {argument: ARGUMENTS.get(argument) for argument in required} | OWN.get(name, {})


def _given(name: str) -> str:
    """What the docstring of a metric says of its arguments, in lower case and one line."""
    doc = inspect.getdoc(metrics()[name]) or ""
    return " ".join(doc.partition("Returns\n")[0].partition("Parameters\n")[2].lower().split())


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fb"


def _strided(array: np.ndarray) -> np.ndarray:
    return (
        np.repeat(np.repeat(array, 2, axis=-1), 2, axis=0)[::2, ..., ::2]
        if array.ndim > 1
        else np.repeat(array, 2)[::2]
    )


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


SAME: dict[str, Callable[[np.ndarray], Any]] = {
    "list": lambda array: array.tolist(),
    "pandas": lambda array: pd.Series(array) if array.ndim == 1 else pd.DataFrame(array),
    "pandas, other index": lambda array: (pd.Series if array.ndim == 1 else pd.DataFrame)(
        array, index=[f"r{i}" for i in range(len(array))]
    ),
    "Fortran order": np.asfortranarray,
    "every other entry": _strided,
    "read-only": _read_only,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "long double": lambda array: array.astype(np.longdouble) if array.dtype.kind == "f" else array,
    "objects": lambda array: array.astype(object),
    "matrix": lambda array: array if array.ndim == 1 else np.asmatrix(array),
}
"""The same numbers, held in another way."""
SPARSE: dict[str, Callable[[np.ndarray], Any]] = {
    "CSR": sparse.csr_matrix,
    "CSC": sparse.csc_matrix,
    "COO": sparse.coo_matrix,
    "csr_array": sparse.csr_array,
}


def _put(value: Any) -> Callable[[np.ndarray], Any]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(float)
        array[(1,) * array.ndim] = value
        return array

    return change


ODD: dict[str, Callable[[np.ndarray], Any]] = {
    "NaN": _put(np.nan),
    "infinite": _put(np.inf),
    "1e30": _put(1e30),
    "1e300": _put(1e300),
    "none at all": lambda array: array[:0],
    "no columns": lambda array: array[..., :0],
    "one": lambda array: array[:1],
    "two": lambda array: array[:2],
    "all equal": np.ones_like,
    "zeros": np.zeros_like,
    "text": lambda array: np.array(["a", "b"])[(array > 0).astype(int)],
    "numbers as text": lambda array: array.astype(float).astype(str),
    "None": lambda array: None,
    "one number": lambda array: 0.5,
    "one more axis": lambda array: np.stack([array, array]),
    "half precision": lambda array: array.astype(np.float16),
    "small integers": lambda array: np.rint(array).astype(np.int8),
}
"""Numbers that are odd: a right result, or an error that names the remedy."""
