"""Input of a test, and its description."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scpi.de._test_result import TestResult

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Cells:
    """Cells of several groups, the input of a test of cells."""

    values: Any
    """Cells x genes, finite: counts or log-normalised expression, as the method asks; dense or CSR, or not in memory
    (`scpi._screen._blocks`): checks such as `check_values` load such a matrix, `blocks` reads it by parts."""
    codes: NDArray[np.intp]
    """Group of each cell: 0, 1, ...; negative for excluded cells."""
    reference: int | None
    """Code of the reference; each group is compared with all other cells if `None`."""
    covariates: pd.DataFrame | None = None
    """Columns to adjust for, one row per cell, for tests that support covariates."""
    n_jobs: int = 1
    """Threads to use."""


@dataclass(frozen=True)
class SampleCounts:
    """Samples of one model, the input of a test of samples."""

    counts: NDArray[np.float64]
    """Summed counts, samples x genes."""
    design: pd.DataFrame
    """Model matrix of full rank, samples x coefficients."""
    contrasts: NDArray[np.float64]
    """Contrasts that are tested to be zero, coefficients x comparisons."""
    n_jobs: int = 1
    """Threads to use."""


@dataclass(frozen=True)
class SampleTests(TestResult):
    """Tests of samples, comparisons x genes: effects are log2 fold changes."""

    ave_expr: NDArray[np.float64]
    """Average log2 expression."""
    counted: NDArray[np.bool_] | None = None
    """Tests that enter multiple testing correction; others have no adjusted p-value. All if `None`."""


@dataclass(frozen=True)
class Method:
    """A test and its description."""

    name: str
    """Name of the test in :func:`scpi.de.rank_genes`."""
    test: Callable[..., TestResult]
    """Takes :class:`Cells`, or :class:`SampleCounts` where the unit is a sample, and the options of the test."""
    takes: Literal["expression", "counts"]
    """Log-normalised expression, or counts."""
    null: str
    """Null hypothesis."""
    source: str
    """Publication of the test."""
    unit: Literal["cell", "sample"] = "cell"
    """Independent observation: a cell or a sample."""
    package: str | None = None
    """Optional package that it needs."""
    min_size: int = 2
    """Minimum number of observations of a group."""
    adjusts: bool = False
    """Whether it adjusts for covariates."""

    @property
    def options(self) -> list[str]:
        """Names of the options of the test."""
        return list(inspect.signature(self.test).parameters)[1:]
