"""What expression must be before a computation reads it: numbers, counts, or logarithms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scpi._screen._blocks import blocks
from scpi._screen._matrix import as_dense, as_matrix, is_stored, stored_values
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

_CHUNK = 4_000_000
# Rows that are compared at a time: as a rule the second is unlike the first
_FEW_ROWS = 64
# exp(20) is more than any count of a gene: what is fractional and stays below is on a log scale
_LARGEST_LOG = 20.0

# Beyond it a sum of squares over many genes is not a number of single precision, in which networks compute
_LARGEST = 1e15

Scale = Literal["counts", "logs", "normalised", "scaled"]
"""What values are: whole numbers; logarithms; fractional but too large for logarithms; or some are negative."""

LOG_ADVICE = (
    "Call `scanpy.pp.normalize_total` and `scanpy.pp.log1p`, or name the layer that holds the result (`layer=`)."
)
"""What to do about counts where a model reads logarithms."""

NORMAL_ADVICE = "Name the layer that holds them (`layer=`), or use `likelihood='normal'`."
"""What to do without counts, where a model can do without."""

COUNTS_ADVICE = "Give raw counts, such as `layer='counts'`."
"""What to do without counts, where nothing else will do."""


def value_range(matrix: Any) -> tuple[float, float]:
    """Smallest and largest of the stored values, NaN if a value is; 0 and 0 where there are none."""
    values = stored_values(matrix)
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def are_whole(matrix: Any) -> bool:
    """Whether all values are whole numbers."""
    values = stored_values(matrix)
    return values.dtype.kind in "iub" or all(bool((chunk == np.rint(chunk)).all()) for chunk in _chunks(values))


def scale_of(matrix: Any) -> Scale:
    """What finite values of any kind look like: scaled if one is negative, counts if all are whole, logs if all are below 20."""
    ranges, whole = [(0.0, 0.0)], True
    for block in blocks(matrix):
        ranges.append(value_range(block.values))
        whole = whole and are_whole(block.values)
    return scale_from(min(low for low, _ in ranges), max(high for _, high in ranges), whole=whole)


def scale_from(lowest: float, largest: float, *, whole: bool) -> Scale:
    """What values look like, given their range and whether all are whole numbers."""
    if lowest < 0:
        return "scaled"
    if whole:
        return "counts"
    return "logs" if largest < _LARGEST_LOG else "normalised"


def is_counts(matrix: Any, *, what: str = "The expression") -> bool:
    """Whether finite values are counts rather than logarithms; a `ValueError` if they are neither, or all zero.

    ``what`` is how messages call them, at the start of a sentence.
    """
    lowest, largest = value_range(matrix)
    if lowest == 0 == largest:
        msg = f"{what} is zero everywhere."
        raise ValueError(msg)
    scale = scale_of(matrix)
    if scale in ("counts", "logs"):
        return scale == "counts"
    found = (
        f"has negative values such as {lowest:.4g}: it seems to be scaled"
        if scale == "scaled"
        else f"is neither counts nor on a log scale: it has fractions, and a maximum of {largest:.4g}"
    )
    msg = f"{what} {found}. Name the layer that holds counts or log-normalised values."
    raise ValueError(msg)


def check_values(values: ArrayLike, *, name: str = "values", shape: str = "rows x columns") -> Any:
    """Read a matrix of any kind into memory, CSR or dense; a `ValueError` unless it is one of finite numbers.

    ``name`` is what messages call it, and ``shape`` what they call its rows and columns.
    """
    matrix = _numeric_matrix(values, name, shape)
    if not np.isfinite(value_range(matrix)).all():
        msg = f"`{name}` must be finite numbers, but has NaN or infinite values."
        raise ValueError(msg)
    return matrix


def check_counts(values: ArrayLike, *, name: str = "counts", advice: str = COUNTS_ADVICE) -> Any:
    """Read a matrix of counts, rows x genes, into memory, CSR or dense; a `ValueError` says what it is instead.

    A matrix that has that form is not copied. ``advice`` ends the message: fractional values that are all small are
    named as what they are, the logarithm of normalised counts.
    """
    matrix = _numeric_matrix(values, name, "rows x genes")
    lowest, largest = value_range(matrix)
    faults = {
        "missing or infinite": (not np.isfinite([lowest, largest]).all(), lambda chunk: ~np.isfinite(chunk)),
        "negative": (lowest < 0, lambda chunk: chunk < 0),
    }
    for kind, (found, where) in faults.items():
        if found:
            n, _ = _count(matrix, where)
            msg = f"`{name}` must be counts, but {n} of {stored_values(matrix).size} values are {kind}. {advice}"
            raise ValueError(msg)
    if not are_whole(matrix):
        n, examples = _count(matrix, lambda chunk: chunk != np.rint(chunk))
        looks = (
            "It looks like log-normalised data"
            if largest < _LARGEST_LOG
            else "It looks like normalised counts, or estimated ones, which can be rounded"
        )
        shown = ", ".join(f"{value:.4g}" for value in examples)
        msg = (
            f"`{name}` must be counts, but has {n} fractional values, such as {shown}; the largest value is "
            f"{largest:.4g}. {looks}. {advice}"
        )
        raise ValueError(msg)
    return matrix


def check_expression(
    matrix: Any,
    *,
    counts: bool = False,
    logs: bool = False,
    signed: bool = False,
    unlike_counts: bool = False,
    what: str = "adata.X",
    advice: str = NORMAL_ADVICE,
) -> None:
    """Refuse values that no model can read: not numbers, or not finite. Those that are not in memory are read in blocks.

    With ``counts`` they must also be whole and not negative. With ``logs`` they must be log-normalised: not all whole,
    if some are above 1; with ``unlike_counts`` a warning says so. ``advice`` says what to do about fractional values, at
    the end of the message. A warning says that values are negative, unless they are ``signed``, as changes are.
    """
    if not is_stored(matrix):
        matrix = as_matrix(matrix, name=what)
    ranges, whole, example = [(0.0, 0.0)], True, 0.0
    for block in blocks(matrix):
        if block.values.dtype.kind not in "fiub":
            msg = f"`{what}` must hold numbers, but has dtype {block.values.dtype}."
            raise TypeError(msg)
        ranges.append(value_range(block.values))
        if not np.isfinite(ranges[-1]).all():
            msg = f"`{what}` holds NaN or infinite values."
            raise ValueError(msg)
        if whole and (counts or logs or unlike_counts) and not are_whole(block.values):
            whole = False
            _, (example, *_) = _count(block.values, lambda chunk: chunk != np.rint(chunk))
    lowest, largest = min(low for low, _ in ranges), max(high for _, high in ranges)
    if counts and lowest < 0:
        msg = f"`{what}` holds negative values, but the likelihood of counts needs raw counts."
        raise ValueError(msg)
    if max(-lowest, largest) > _LARGEST:
        msg = f"`{what}` holds values up to {max(-lowest, largest):.3g}, too large for single precision. Are they expression?"
        raise ValueError(msg)
    if lowest < 0 and not signed:
        warn_user(
            f"`{what}` holds negative values such as {lowest:.4g}, as scaled data do: predictions are on that scale, where "
            "fold changes and zeros mean nothing. Log-normalised expression is better."
        )
    if counts and not whole:
        msg = (
            f"`{what}` holds fractional values such as {example:.4g}, but the likelihood of counts needs raw counts. "
            f"{advice}"
        )
        raise ValueError(msg)
    if whole and lowest >= 0 and largest > 1:
        look = f"`{what}` holds whole numbers only, up to {largest:.4g}, which look like raw counts"
        if logs:
            msg = f"{look}, but log-normalised expression is needed. {LOG_ADVICE}"
            raise ValueError(msg)
        if unlike_counts:
            warn_user(
                f"{look}. The predicted changes are differences of counts: those of deep cells and of the genes with most "
                f"counts outweigh the others. {LOG_ADVICE}"
            )


def check_varies(matrix: Any, *, what: str = "adata.X") -> None:
    """Refuse expression that nothing can be learned from: zero everywhere, or the same in all cells (`ValueError`)."""
    first: dict[int, Any] = {}
    for rows, columns, values in blocks(matrix):
        reference = first.setdefault(columns.start, as_dense(values[:1]))
        for start in range(0, values.shape[0], _FEW_ROWS):
            if (as_dense(values[start : start + _FEW_ROWS]) != reference).any():
                return
        n_rows = rows.stop
    zero = not any(row.any() for row in first.values())
    if zero or n_rows > 1:
        found = "zero everywhere" if zero else f"the same in all {n_rows} cells"
        msg = (
            f"`{what}` is {found}: there is nothing to learn from. Name the layer that holds the expression (`layer=`)."
        )
        raise ValueError(msg)


def load_annotations(adata: AnnData) -> None:
    """Read the annotations of cells and genes into memory, where they stay, if they are lazy; the expression may be on disk."""
    for axis in ("obs", "var"):
        table = getattr(adata, axis)
        if not isinstance(table, pd.DataFrame):
            setattr(adata, axis, table.to_memory())


def check_not_empty(adata: AnnData, *, what: str = "adata") -> None:
    """Refuse data without cells or genes (`ValueError`)."""
    if 0 in adata.shape:
        msg = f"`{what}` has {adata.n_obs} cells and {adata.n_vars} genes: were all filtered out?"
        raise ValueError(msg)


def check_annotations(adata: AnnData, *, what: str = "adata") -> None:
    """Refuse no cells or genes, and repeated names of either (`ValueError`)."""
    load_annotations(adata)
    check_not_empty(adata, what=what)
    for axis, names in (("var", adata.var_names), ("obs", adata.obs_names)):
        if not names.is_unique:
            repeated = names[names.duplicated()].unique()[:5].tolist()
            msg = (
                f"`{what}.{axis}_names` are not unique, for instance {repeated}. "
                f"Call `{what}.{axis}_names_make_unique()` first."
            )
            raise ValueError(msg)


def check_paired(mdata: MuData, modality: str) -> None:
    """Refuse a MuData whose cells are not those of a modality, in its order.

    Labels of the MuData and expression of the modality are joined by position.
    """
    if not mdata.mod[modality].obs_names.equals(mdata.obs_names):
        msg = (
            f"The cells of `mdata` are not those of `mdata.mod[{modality!r}]` in the same order. Take the cells that "
            f"all modalities have, in the order of `mdata.mod[{modality!r}].obs_names`, and build the MuData anew."
        )
        raise ValueError(msg)


def as_indices(cells: ArrayLike | None, n_obs: int) -> NDArray[np.int64]:
    """Positions of cells, given as such or as a mask, checked against the number of cells; all if ``None``."""
    if cells is None:
        return np.arange(n_obs)
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


def _numeric_matrix(values: ArrayLike, name: str, shape: str) -> Any:
    matrix = as_matrix(values, name=name)
    if matrix.ndim != 2:
        msg = f"`{name}` must be {shape}, but has shape {matrix.shape}."
        raise ValueError(msg)
    if matrix.dtype.kind not in "fiub":
        msg = f"`{name}` must be numbers, {shape}, but has dtype {matrix.dtype}."
        raise ValueError(msg)
    return matrix


def _chunks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Parts of an array: a mask of a large one is itself large."""
    n_rows = max(1, _CHUNK // max(1, values.size // max(1, len(values)))) if values.ndim else 1
    for start in range(0, len(values), n_rows):
        yield values[start : start + n_rows]


def _count(matrix: Any, where: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> tuple[int, list[float]]:
    """Number of the stored values that a question is true of, and the first three of them."""
    found = [chunk[where(chunk)] for chunk in _chunks(stored_values(matrix))]
    return sum(len(part) for part in found), [float(value) for part in found for value in part[:3]][:3]
