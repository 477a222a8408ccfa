"""What a test is given, and how it describes itself."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from scpi.de._test_result import TestResult


@dataclass(frozen=True)
class Cells:
    """Cells of several groups, as a test takes them."""

    values: Any
    """Cells x genes, finite: counts or log-normalised expression, as the method asks; dense or CSR, or not in memory
    (`scpi._screen._blocks`): checks such as `check_values` load such a matrix, `blocks` reads it by parts."""
    codes: NDArray[np.intp]
    """Group of each cell: 0, 1, ...; negative for a cell that is left out."""
    reference: int | None
    """Code of the reference; each group is compared with all other cells if `None`."""
    samples: NDArray[np.intp] | None = None
    """Sample of each cell, for tests that compare samples."""
    covariates: pd.DataFrame | None = None
    """Columns to adjust for, one row a cell, for tests that can."""
    n_jobs: int = 1
    """Threads to use."""


@dataclass(frozen=True)
class Method:
    """A test and what a user has to know of it."""

    name: str
    """Name by which :func:`scpi.de.rank_genes` knows it."""
    test: Callable[..., TestResult]
    """Takes :class:`Cells` and the options of the test."""
    takes: Literal["expression", "counts"]
    """Log-normalised expression, or counts."""
    null: str
    """Null hypothesis."""
    source: str
    """Where the test comes from."""
    unit: Literal["cell", "sample"] = "cell"
    """What counts as one independent observation."""
    package: str | None = None
    """Package that it needs beyond the dependencies of scpi."""
    min_size: int = 2
    """Fewest observations of a group."""
    adjusts: bool = False
    """Whether it takes covariates."""

    @property
    def options(self) -> list[str]:
        """Names of the options of the test."""
        return list(inspect.signature(self.test).parameters)[1:]
