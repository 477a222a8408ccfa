"""What expression must be before a model reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

_CHUNK = 4_000_000

LOG_ADVICE = (
    "Call `scanpy.pp.normalize_total` and `scanpy.pp.log1p`, or name the layer that holds the result (`layer=`)."
)
"""What to do about counts where a model reads logarithms."""

NORMAL_ADVICE = "Name the layer that holds them (`layer=`), or use `likelihood='normal'`."
"""What to do without counts, where a model can do without."""


def check_annotations(adata: AnnData, *, what: str = "adata") -> None:
    """Refuse files on disk and repeated names.

    Parameters
    ----------
    adata
        Annotated data.
    what
        How messages call it.

    Raises
    ------
    NotImplementedError
        If the data is backed by a file.
    ValueError
        If names of genes or cells are repeated.
    """
    if adata.isbacked:
        msg = f"`{what}` is backed by a file. Load it with `{what}.to_memory()` first."
        raise NotImplementedError(msg)
    for axis, names in (("var", adata.var_names), ("obs", adata.obs_names)):
        if not names.is_unique:
            repeated = names[names.duplicated()].unique()[:5].tolist()
            msg = (
                f"`{what}.{axis}_names` are not unique, for instance {repeated}. "
                f"Call `{what}.{axis}_names_make_unique()` first."
            )
            raise ValueError(msg)


def check_expression(
    matrix: Any, *, counts: bool = False, logs: bool = False, what: str = "adata.X", advice: str = NORMAL_ADVICE
) -> None:
    """Refuse values that no model can read.

    Parameters
    ----------
    matrix
        Expression, cells x genes, dense or sparse.
    counts
        Whether the values must be counts: whole and not negative.
    logs
        Whether they must be log-normalised: not whole, all of them, as those of counts are.
    what
        How messages call it.
    advice
        What to do about fractional values, at the end of the message.

    Raises
    ------
    TypeError
        If the values are not numbers.
    ValueError
        If a value is NaN or infinite, if ``counts`` and a value is negative or fractional, or if ``logs`` and all
        values are whole and some are above 1.
    """
    values = matrix.data if sparse.issparse(matrix) else np.asarray(matrix)
    if values.dtype.kind not in "fiub":
        msg = f"`{what}` must hold numbers, but has dtype {values.dtype}."
        raise TypeError(msg)
    flat = values.reshape(-1)
    whole, largest = logs, 0.0
    # In chunks: a boolean copy of a large matrix is itself large.
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        if not np.isfinite(chunk).all():
            msg = f"`{what}` holds NaN or infinite values."
            raise ValueError(msg)
        if whole:
            whole, largest = bool((chunk == np.rint(chunk)).all()), max(largest, float(chunk.max()))
        if counts and (chunk < 0).any():
            msg = f"`{what}` holds negative values, but the likelihood of counts needs raw counts."
            raise ValueError(msg)
        if counts and (chunk != np.rint(chunk)).any():
            example = float(chunk[chunk != np.rint(chunk)][0])
            msg = (
                f"`{what}` holds fractional values such as {example:.4g}, but the likelihood of counts needs raw "
                f"counts. {advice}"
            )
            raise ValueError(msg)
    if whole and largest > 1:
        msg = (
            f"`{what}` holds whole numbers only, up to {largest:.4g}, which look like raw counts, but log-normalised "
            f"expression is needed. {LOG_ADVICE}"
        )
        raise ValueError(msg)


def check_paired(mdata: MuData, modality: str) -> None:
    """Refuse a MuData whose cells are not those of a modality, in its order.

    Labels of the MuData and expression of the modality are joined by position.

    Parameters
    ----------
    mdata
        Multimodal data.
    modality
        Modality with the expression.

    Raises
    ------
    ValueError
        If the cells differ or stand in another order.
    """
    if not mdata.mod[modality].obs_names.equals(mdata.obs_names):
        msg = (
            f"The cells of `mdata` are not those of `mdata.mod[{modality!r}]` in the same order. Take the cells that "
            f"all modalities have, in the order of `mdata.mod[{modality!r}].obs_names`, and build the MuData anew."
        )
        raise ValueError(msg)


def as_indices(cells: Sequence[int] | NDArray[Any], n_obs: int) -> NDArray[np.int64]:
    """Positions of cells, given as such or as a mask.

    Parameters
    ----------
    cells
        Positions, or one boolean a cell.
    n_obs
        Number of cells there are.

    Raises
    ------
    ValueError
        If a position does not exist, or a mask has another length.
    """
    given = np.asarray(cells)
    if given.dtype == bool:
        if given.shape != (n_obs,):
            msg = f"A mask of cells must have one value for each of the {n_obs} cells, but has shape {given.shape}."
            raise ValueError(msg)
        return np.flatnonzero(given).astype(np.int64)
    positions = given.astype(np.int64)
    if positions.size and (positions.min() < 0 or positions.max() >= n_obs):
        msg = f"`indices` must be between 0 and {n_obs - 1}, but go from {positions.min()} to {positions.max()}."
        raise ValueError(msg)
    return positions
