"""Reading a subset of the cells of an h5ad file."""

from __future__ import annotations

import gzip
import shutil
import warnings
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

BLOCK = 20_000
"""Number of cells that are read at a time."""


def _unpack(path: Path, folder: Path) -> Path:
    whole = folder / path.stem
    with gzip.open(path) as packed, whole.open("wb") as target:
        shutil.copyfileobj(packed, target, 1 << 20)
    return whole


@contextmanager
def open_h5ad(path: Path) -> Iterator[AnnData]:
    """Open an h5ad file in backed mode; a `ValueError` says if it is none.

    A compressed file (`.gz`) is unpacked temporarily into its folder.
    """
    from anndata import OldFormatWarning, read_h5ad

    with ExitStack() as stack:
        try:
            whole = path
            if path.suffix == ".gz":
                whole = _unpack(path, Path(stack.enter_context(TemporaryDirectory(dir=path.parent))))
            with warnings.catch_warnings():
                # The user cannot fix the old format of a published file
                warnings.simplefilter("ignore", OldFormatWarning)
                adata = read_h5ad(whole, backed="r")
        except (OSError, EOFError, zlib.error, KeyError, ValueError) as error:
            # Errors of the operating system, such as a full disk, are not caused by the file
            if isinstance(error, OSError) and error.errno is not None:
                raise
            msg = f"{str(path)!r} is not a readable h5ad file ({error}). Delete it to have it downloaded again."
            raise ValueError(msg) from error
        stack.callback(adata.file.close)
        yield adata


def _read_csr(stored: Any, rows: NDArray[np.bool_]) -> sparse.csr_matrix:
    ends = np.concatenate([[0], np.cumsum(np.diff(stored.group["indptr"][:])[rows])])
    data = np.empty(ends[-1], dtype=np.float32)
    indices = np.empty(ends[-1], dtype=np.int32)
    done = 0
    for start in range(0, len(rows), BLOCK):
        block = stored[start : start + BLOCK][rows[start : start + BLOCK]]
        data[done : done + block.nnz] = block.data
        indices[done : done + block.nnz] = block.indices
        done += block.nnz
    return sparse.csr_matrix((data, indices, ends), shape=(len(ends) - 1, stored.shape[1]))


def read_rows(matrix: Any, rows: NDArray[np.bool_]) -> sparse.csr_matrix:
    """Read the rows of a mask as sparse float32, in blocks, so that other rows and data types need little memory.

    The matrix is cells x genes, dense or sparse, in memory or on disk.
    """
    form = getattr(matrix, "format", "dense")
    if form == "csr" and hasattr(matrix, "group"):
        return _read_csr(matrix, rows)
    if form != "dense":
        whole = matrix.to_memory() if hasattr(matrix, "to_memory") else matrix
        return sparse.csr_matrix(whole, dtype=np.float32)[rows]
    starts = range(0, len(rows), BLOCK)
    blocks = [sparse.csr_matrix(matrix[i : i + BLOCK][rows[i : i + BLOCK]], dtype=np.float32) for i in starts]
    return sparse.vstack(blocks, format="csr")
