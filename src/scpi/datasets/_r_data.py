"""Reading of counts and tables from files of R."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


def read_r(path: Path) -> Any:
    """Return the object in a file of R, written by ``save`` or ``saveRDS``, or several objects by their names."""
    import rdata

    with warnings.catch_warnings():
        # Objects of R packages become plain namespaces of their slots, which is what the readers expect. Some files
        # of ``saveRDS`` are called .rda.
        warnings.simplefilter("ignore", UserWarning)
        content = rdata.conversion.convert(rdata.parser.parse_file(path))
    if isinstance(content, dict) and len(content) == 1:
        return next(iter(content.values()))
    return content


def read_counts(matrix: Any) -> tuple[sparse.csr_matrix, NDArray[np.str_]]:
    """Convert a sparse matrix of R, genes x cells, to cells x genes, and return it with the names of the genes."""
    shape = tuple(reversed(matrix.Dim))
    values = np.asarray(matrix.x, dtype=np.float32)
    # Compressed columns are the rows of the transposed matrix; other matrices give the place of each value
    places = (matrix.i, matrix.p) if hasattr(matrix, "p") else ((matrix.j, matrix.i),)
    counts = sparse.csr_matrix((values, *places), shape=shape)
    counts.sort_indices()
    return counts, np.asarray(matrix.Dimnames[0])


def single_cell_experiment(experiment: Any) -> tuple[sparse.csr_matrix, NDArray[np.str_], pd.DataFrame]:
    """Return the counts, the names of the genes and the table of the cells of a SingleCellExperiment of R."""
    counts, genes = read_counts(experiment.assays.data.listData["counts"])
    return counts, genes, table(experiment.colData.listData, experiment.colData.rownames)


def table(columns: Mapping[str, Any] | pd.DataFrame, names: Any) -> pd.DataFrame:
    """Convert columns of R to a table with categories for text, and integers where all numbers are whole."""
    converted = pd.DataFrame(index=np.asarray(names, dtype=object))
    for name, values in columns.items():
        converted[str(name)] = _column(values)
    return converted


def _column(values: Any) -> Any:
    column = pd.Series(np.asarray(values))
    if pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=bool)
    if not pd.api.types.is_numeric_dtype(column):
        return pd.Categorical(column.astype(str))
    numbers = column.to_numpy(dtype=np.float64)
    return numbers.astype(np.int64) if (numbers == np.rint(numbers)).all() else numbers
