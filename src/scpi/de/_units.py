"""Counts of samples: one unit for each sample and group, and the design that compares groups of units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._screen._blocks import sum_cells
from scpi._screen._matrix import as_dense
from scpi._slots import listed
from scpi.de._covariates import read_covariates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.de._tests._method import Cells


@dataclass(frozen=True)
class Units:
    """Summed counts of each sample in each group."""

    counts: NDArray[np.float64]
    """Units x genes."""
    codes: NDArray[np.intp]
    """Group of each unit."""
    design: pd.DataFrame
    """A column for each group, in the order of the codes, then those of the covariates; units x columns."""


def sum_units(cells: Cells) -> Units:
    """Sum the counts of the cells of each sample and group.

    Raises
    ------
    ValueError
        If a covariate differs between the cells of one unit, or a group or the reference has no two units.
    """
    if cells.samples is None:
        msg = "A test of samples needs the sample of each cell."
        raise ValueError(msg)
    rows = np.flatnonzero((cells.codes >= 0) & (cells.samples >= 0))
    pairs = np.stack([cells.codes[rows], cells.samples[rows]], axis=1)
    units, unit = np.unique(pairs, axis=0, return_inverse=True)
    unit_of_cell = np.full(len(cells.codes), -1)
    unit_of_cell[rows] = unit.ravel()
    summed = sum_cells(cells.values, unit_of_cell, len(units))
    codes = units[:, 0]
    few = np.flatnonzero(np.bincount(codes, minlength=int(cells.codes.max()) + 1) < 2)
    if len(few):
        msg = (
            f"Each group and the reference need two samples or more, but group(s) {listed(few)} of the comparison have "
            "fewer: their cells are no replicates."
        )
        raise ValueError(msg)
    design = pd.DataFrame({f"group{code}": (codes == code).astype(float) for code in np.unique(codes)})
    if cells.covariates is not None:
        design = pd.concat([design, _covariates(cells.covariates.iloc[rows], unit.ravel(), len(units))], axis=1)
    return Units(counts=as_dense(summed), codes=codes, design=design)


def contrast(units: Units, group: int, reference: int | None) -> NDArray[np.float64]:
    """The group less the reference, or less the mean of all other groups, as weights of the columns of the design."""
    weights = np.zeros(units.design.shape[1])
    n_groups = len(np.unique(units.codes))
    if reference is None:
        weights[:n_groups] = -1.0 / (n_groups - 1)
    else:
        weights[reference] = -1.0
    weights[group] = 1.0
    return weights


def _covariates(covariates: pd.DataFrame, unit: NDArray[np.intp], n_units: int) -> pd.DataFrame:
    """Covariates of the units, categories as columns of zeros and ones without the first."""
    frame = covariates.reset_index(drop=True)
    varied = [name for name in frame if (frame[name].groupby(unit).nunique(dropna=False) > 1).any()]
    if varied:
        msg = f"The covariates of a sample must be the same in all of its cells, but {listed(varied)} differ."
        raise ValueError(msg)
    first = np.unique(unit, return_index=True)[1]
    of_units = read_covariates(frame.iloc[first].reset_index(drop=True))
    varied_between = of_units.loc[:, of_units.nunique() > 1]  # a constant says nothing
    assert len(of_units) == n_units  # every unit has a cell
    return pd.get_dummies(varied_between, drop_first=True, dtype=float)
