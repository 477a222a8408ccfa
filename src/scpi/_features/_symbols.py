"""Beginnings of gene symbols, which name the family of a gene."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._features._rows import unit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTHS = (3, 4)
_STEM = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def beginnings(symbol: str) -> set[str]:
    """The first three and four characters of a symbol, and the letters before its first digit.

    Examples
    --------
    >>> sorted(beginnings("CEBPA")), sorted(beginnings("KLF1"))
    (['CEB...', 'CEBP...', 'CEBPA'], ['KLF', 'KLF...', 'KLF1...'])
    """
    symbol = symbol.upper()
    found = {f"{symbol[:length]}..." for length in _LENGTHS if len(symbol) >= length}
    stem = _STEM.match(symbol)
    return found | ({stem[0]} if stem and len(stem[0]) > 1 else set())


def features_of_symbols(names: Sequence[str]) -> tuple[Any, list[str]]:
    """Beginnings that two symbols or more have in common, perturbations x beginnings, and what they are.

    A symbol counts by the fraction of its beginnings that it has in common with another, so that rows may be shorter than 1.
    """
    own = [sorted(beginnings(name)) for name in names]
    columns, counts = np.unique([word for words in own for word in words], return_counts=True)
    place = {word: column for column, word in enumerate(columns.tolist())}
    rows = np.repeat(np.arange(len(names)), [len(words) for words in own])
    found = np.array([place[word] for words in own for word in words], dtype=np.int64)
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, found)), shape=(len(names), len(columns)))
    shared = counts > 1
    return sparse.csr_matrix(unit_rows(matrix)[:, np.flatnonzero(shared)]), columns[shared].tolist()
