"""Reading attributions of latent units, and gene programs in the same form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._screen._matrix import as_dense
from scpi._slots import column_names, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

Sign = Literal["both", "positive", "negative"]
"""Which genes a program lists: those of both signs, or of one."""

NO_SET = "no set"
"""Name of a unit that no gene set explains."""
LOWERED = "\N{MINUS SIGN} "
"""What stands before a set that a unit lowers."""


def read_saliency(adata: AnnData, key: str = Key.varm.SALIENCY) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Read scores of genes in units that `scpi.tl.saliency`, `scpi.tl.consensus_programs` or a user stored.

    They are a DataFrame in `adata.varm`, or an array whose columns are named in `adata.uns[key]["units"]`, otherwise
    numbered. Returns the scores, genes x units, and the names of the units. A `KeyError` says if there is no such
    entry, and a `ValueError` if it is not a matrix of finite numbers, or the names are repeated or their number is
    wrong.
    """
    if key not in adata.varm:
        msg = (
            f"`adata.varm` has no scores of genes in units {key!r}, only {listed(adata.varm)}. Compute them with "
            "`scpi.tl.saliency(adata, model)`."
        )
        raise KeyError(msg)
    value = adata.varm[key]
    values = np.asarray(value, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        msg = f"`adata.varm[{key!r}]` must be genes x units with at least one unit, but has shape {values.shape}."
        raise ValueError(msg)
    if not np.isfinite(values).all():
        msg = f"`adata.varm[{key!r}]` has NaN or infinite values."
        raise ValueError(msg)
    names = column_names(adata, key, value, "units")
    if len(names) != values.shape[1] or len(set(names)) != len(names):
        msg = f"`adata.varm[{key!r}]` has {values.shape[1]} units, but {len(set(names))} different names of them."
        raise ValueError(msg)
    return values, names


def has_non_negative_units(adata: AnnData, key: str) -> bool:
    """Whether the units whose scores are under `key` cannot be negative, as their model said."""
    stored = adata.uns.get(key)
    return hasattr(stored, "get") and bool(stored.get("params", {}).get("non_negative", False))


def order_genes(scores: NDArray[np.float64], *, non_negative: bool, sign: Sign = "both") -> NDArray[np.intp]:
    """Order the genes of a unit from the first of its program to the last, by position; those without a score are left out.

    A unit that cannot be negative is what it raises: genes that it lowers come after all that it raises, however large
    their scores are. Otherwise both signs are ordered together, by absolute score.
    """
    along = {"both": np.abs(scores), "positive": scores, "negative": -scores}[sign]
    last = (scores < 0) & non_negative
    order = np.lexsort((-along, last))
    return order[along[order] > 0]


def read_units(adata: AnnData, use_rep: str, key: str) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Read the activity of latent units, cells x units, and their names.

    They are the columns of a DataFrame, or those that `scpi.tl.saliency` stored under `key`; otherwise units are
    numbered. A `KeyError` says if there is no such entry.
    """
    if use_rep not in adata.obsm:
        msg = (
            f"`adata.obsm` has no latent units {use_rep!r}, only {listed(adata.obsm)}. Store the result of "
            "`model.get_latent_representation()` there, or set `use_rep=` to the entry that `scpi.tl.cluster` wrote."
        )
        raise KeyError(msg)
    value: Any = adata.obsm[use_rep]
    values = as_dense(value, np.float64)
    names: Any = value.columns if isinstance(value, pd.DataFrame) else None
    stored = adata.uns.get(key)
    if names is None and hasattr(stored, "get") and len(stored.get("units", ())) == values.shape[1]:
        names = stored["units"]
    return values, np.array([str(name) for name in (range(values.shape[1]) if names is None else names)], dtype=object)


def find_units(wanted: Sequence[str] | str | None, units: NDArray[np.object_]) -> list[int]:
    """Positions of units by name; all of them if `None`."""
    if wanted is None:
        return list(range(len(units)))
    wanted = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    place = {name: i for i, name in enumerate(units)}
    unknown = [name for name in wanted if name not in place]
    if unknown:
        msg = f"There is no unit {listed(unknown)}, only {listed(units)}."
        raise ValueError(msg)
    return [place[name] for name in wanted]
