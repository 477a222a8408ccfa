"""What a call leaves: a copy of annotated data to compare with, and the numbers that are new."""

from __future__ import annotations

import dataclasses
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

SLOTS = ("layers", "obsm", "varm", "obsp", "varp", "uns")
OWN = ("_scvi_uuid", "_scvi_manager_uuid")


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Arrays and scalars in a nested result, by their paths."""
    if isinstance(value, ad.AnnData):
        parts = {"X": value.X, "obs": value.obs, "var": value.var}
        value = parts | {slot: dict(getattr(value, slot)) for slot in SLOTS}
    if isinstance(value, pd.DataFrame):
        value = {str(name): value[name].to_numpy() for name in value.columns}
    if isinstance(value, np.ndarray) and value.dtype.names:
        value = {name: value[name] for name in value.dtype.names}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if hasattr(value, "items"):
        found = {}
        for name, part in value.items():
            if name not in OWN:
                found |= leaves(part, f"{path}/{name}")
        return found
    nested = (ad.AnnData, pd.DataFrame, dict)
    if isinstance(value, (list, tuple)) and any(
        isinstance(part, nested) or dataclasses.is_dataclass(part) for part in value
    ):
        return leaves({str(i): part for i, part in enumerate(value)}, path)
    if value is None:
        return {}
    if hasattr(value, "compute"):
        value = value.compute()
    if hasattr(value, "to_memory"):
        value = value.to_memory()
    if sparse.issparse(value):
        value = value.toarray()
    return {path: np.asarray(value)}


def differs(found: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    if found.shape != expected.shape:
        return True
    numeric = all(a.dtype.kind in "fiub" for a in (found, expected))
    if not numeric:
        first, second = ([str(value) for value in array.ravel().tolist()] for array in (found, expected))
        return first != second
    return not np.allclose(found.astype(float), expected.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True)
