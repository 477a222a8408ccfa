"""Some rows of a matrix for a computation on some of them and on their means, in memory that does not grow with them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._matrix import means, sums
from scpi._screen._stored_rows import StoredRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Rows that are read into memory; of more, those that are asked for
_MOST = 20_000
# Rows that are read at a time to average them
_BLOCK = 4_096


class ChosenRows:
    """Rows of a matrix that is not in memory, read when they are asked for: a slice or positions give rows in memory.

    Parameters
    ----------
    matrix
        The matrix.
    rows
        Positions of the rows.
    function
        What is made of rows in memory, each by itself.
    columns
        Columns of the result; all if ``None``.
    """

    def __init__(
        self,
        matrix: StoredRows,
        rows: NDArray[np.integer[Any]],
        function: Callable[[Any], Any],
        columns: NDArray[np.intp] | None = None,
    ) -> None:
        self._matrix, self._rows, self._function = matrix, rows, function
        self._columns = columns

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self._rows), self._matrix.shape[1] if self._columns is None else len(self._columns)

    def __getitem__(self, index: Any) -> Any:
        """Some rows in memory, or, of ``[:, columns]``, all rows in some columns."""
        if isinstance(index, tuple):
            return _SomeColumns(self, index[1])
        return self._read(self._rows[index])

    def _read(self, rows: NDArray[np.integer[Any]]) -> Any:
        values = self._function(self._matrix[rows])
        return values if self._columns is None else values[:, self._columns]

    def rows(self, index: NDArray[np.integer[Any]]) -> Any:
        """Some of the rows, as of :func:`choose_rows`."""
        return choose_rows(self._matrix, self._rows[index], self._function, self._columns)

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """Means of the columns."""
        total, order = np.zeros(self.shape[1]), np.sort(self._rows)
        for start in range(0, len(order), _BLOCK):
            total += sums(self._read(order[start : start + _BLOCK]), axis=0)
        return total / len(order)


class _SomeColumns(ChosenRows):
    """Rows whose means are known where those of all columns are."""

    def __init__(self, whole: ChosenRows, places: NDArray[np.intp]) -> None:
        columns = places if whole._columns is None else whole._columns[places]
        super().__init__(whole._matrix, whole._rows, whole._function, columns)
        self._whole, self._places = whole, places

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """Means of the columns."""
        return self._whole.means[self._places]


def choose_rows(
    matrix: Any,
    rows: NDArray[np.integer[Any]],
    function: Callable[[Any], Any] = lambda values: values,
    columns: NDArray[np.intp] | None = None,
) -> Any:
    """A function of some rows of a matrix, cells x genes, in some columns: in memory, or :class:`ChosenRows` of many that are not.

    ``matrix`` is one in memory, or :class:`~scpi._screen._stored_rows.StoredRows`.
    """
    if isinstance(matrix, StoredRows) and len(rows) > _MOST:
        return ChosenRows(matrix, rows, function, columns)
    values = function(matrix[rows])
    return values if columns is None else values[:, columns]


def some_rows(values: Any, index: NDArray[np.integer[Any]]) -> Any:
    """Some of the rows that were chosen."""
    return values.rows(index) if isinstance(values, ChosenRows) else values[index]


def column_means(values: Any) -> NDArray[np.float64]:
    """Means of the columns of a matrix in memory, or of chosen rows."""
    return values.means if isinstance(values, ChosenRows) else means(values)
