"""Designs and contrasts of the samples that a linear model is fitted to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._slots import listed
from scpi.de._covariates import is_number
from scpi.de._design import DesignError, as_design, group_design, require_residuals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi._view import View
    from scpi.de._design import Design

ALL = "all"


@dataclass(frozen=True)
class Samples:
    """Samples, and what is known of them."""

    obs: pd.DataFrame
    """Covariates, one row a sample."""
    groupby: str
    """Column of the groups, a categorical without missing values."""
    reference: str
    """Group to compare with."""
    split_by: str | None
    """Column of the splits, such as cell types, a categorical without missing values."""

    @property
    def splits(self) -> NDArray[np.object_]:
        """Split of each sample."""
        if self.split_by is None:
            return np.full(len(self.obs), ALL, dtype=object)
        return self.obs[self.split_by].astype(str).to_numpy(dtype=object)

    @property
    def groups(self) -> NDArray[np.object_]:
        """Group of each sample."""
        return self.obs[self.groupby].astype(str).to_numpy(dtype=object)

    def rows(self, rows: NDArray[np.intp]) -> Samples:
        """Some of the samples.

        Parameters
        ----------
        rows
            Samples, by number.

        Returns
        -------
        These samples, their categories those that occur.
        """
        obs = self.obs.iloc[rows].copy()
        for name in obs:
            if isinstance(obs[name].dtype, pd.CategoricalDtype):
                obs[name] = obs[name].cat.remove_unused_categories()
        return Samples(obs, self.groupby, self.reference, self.split_by)


@dataclass(frozen=True)
class SplitContrasts:
    """Comparisons of groups within one split."""

    split: str
    """Name of the split."""
    groups: list[str]
    """Groups that are compared with the reference."""
    matrix: Any
    """Coefficients x groups, sparse."""
    n_samples: list[int]
    """Samples of each group."""
    n_reference: int
    """Samples of the reference."""


@dataclass(frozen=True)
class Terms:
    """What a formula names."""

    columns: list[str]
    """Columns of `obs`."""
    slopes: list[str]
    """Columns that stand in it as they are, so that numbers are slopes."""

    @classmethod
    def of(cls, formula: str, *, needed: Sequence[str], view: View) -> Terms:
        """Read a formula.

        Parameters
        ----------
        formula
            Right side of a formula. The name of a column may hold dots, and other characters within backticks.
        needed
            Columns that it must name.
        view
            Data with the columns.

        Raises
        ------
        ValueError
            If it cannot be read, has a left side, or lacks a column that is needed.
        """
        from formulaic import Formula
        from formulaic.errors import FormulaicError

        try:
            parsed = Formula(formula)
            variables = {str(name) for name in parsed.required_variables}
            sided = hasattr(parsed, "lhs")
        except FormulaicError as error:
            msg = f"`formula` cannot be read: {formula!r}. {_plain(error)}"
            raise ValueError(msg) from error
        if sided:
            msg = f"`formula` describes the design only, as in '~ condition + donor', but is {formula!r}."
            raise ValueError(msg)
        factors = {str(factor.expr) for term in parsed for factor in term.factors}
        there = [str(name) for name in dict.fromkeys([*view.adata.obs, *view.data.obs])]
        columns = [name for name in there if any(_names_column(factor, name) for factor in factors)]
        # To a parser, "orig.ident" is an attribute of "orig"
        dotted = {name.partition(".")[0] for name in columns if "." in name}
        columns += sorted(variables - set(columns) - dotted)
        missing = [name for name in needed if name not in columns]
        if missing:
            msg = f"`formula` is {formula!r}, without {listed(missing)}, so it cannot tell the groups apart."
            raise ValueError(msg)
        return cls(columns, [name for name in columns if name in factors])


def build_model(
    samples: Samples, tested: Sequence[str], *, covariates: Sequence[str], formula: str | None
) -> tuple[Design, list[SplitContrasts]]:
    """Design of some samples, and the contrasts of the tested groups in every split of them.

    Raises
    ------
    DesignError
        If no group can be compared, the design is not of full rank, or leaves no residual degrees of freedom.
    """
    compared = _to_log_scale(samples, tested)
    if not compared:
        counted = pd.Series(samples.groups).value_counts()
        msg = (
            f"No group can be compared with {samples.reference!r}: there are samples of "
            f"{listed(f'{name} ({n})' for name, n in counted.items())}."
        )
        raise DesignError(msg)
    cells = pd.MultiIndex.from_arrays([samples.splits, samples.groups])
    codes, combinations = pd.factorize(cells, sort=True)
    if formula is None:
        columns, names = _covariate_columns(samples.obs, covariates)
        labels = [group if samples.split_by is None else f"{split} | {group}" for split, group in combinations]
        design = group_design(codes.astype(np.intp), labels, columns=columns, names=names)
        rows = {cell: row for row, cell in enumerate(combinations)}
        matrices = {
            split: _cell_contrasts([rows[split, group] for group in groups], rows[split, samples.reference], design)
            for split, groups in compared.items()
        }
    else:
        frame, spec = _formula_matrix(formula, samples.obs)
        design = as_design(frame, n_samples=len(frame), groups=codes.astype(np.intp))
        matrices = {split: _formula_contrasts(spec, samples, split, groups) for split, groups in compared.items()}
    require_residuals(design)
    size = pd.Series(np.ones(len(codes), dtype=int)).groupby([samples.splits, samples.groups]).sum()
    return design, [
        SplitContrasts(
            split=split,
            groups=groups,
            matrix=matrices[split],
            n_samples=[int(size[split, group]) for group in groups],
            n_reference=int(size[split, samples.reference]),
        )
        for split, groups in compared.items()
    ]


def _to_log_scale(samples: Samples, tested: Sequence[str]) -> dict[str, list[str]]:
    """Tested groups that have samples, by split, in splits that have samples of the reference."""
    compared = {}
    splits, groups = samples.splits, samples.groups
    order = [ALL] if samples.split_by is None else [str(name) for name in samples.obs[samples.split_by].cat.categories]
    for split in order:
        present = set(groups[splits == split])
        chosen = [group for group in tested if group in present]
        if samples.reference in present and chosen:
            compared[split] = chosen
    return compared


def _covariate_columns(obs: pd.DataFrame, covariates: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Numbers as they are, categories as columns of zeros and ones but for the first; constants add nothing."""
    columns: list[NDArray[np.float64]] = []
    names: list[str] = []
    for name in covariates:
        values = obs[name]
        if is_number(values):
            if values.nunique() > 1:
                columns.append(values.to_numpy(dtype=np.float64))
                names.append(name)
            continue
        for level in values.cat.remove_unused_categories().cat.categories[1:]:
            columns.append((values == level).to_numpy(dtype=np.float64))
            names.append(f"{name}={level}")
    return np.array(columns).reshape(len(names), len(obs)).T, names


def _cell_contrasts(rows: Sequence[int], reference: int, design: Design) -> Any:
    n = len(rows)
    values = np.repeat([1.0, -1.0], n)
    coefficients = np.concatenate([rows, np.full(n, reference)])
    return sparse.csc_array((values, (coefficients, np.tile(np.arange(n), 2))), shape=(len(design.names), n))


def _formula_matrix(formula: str, obs: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
    from formulaic import model_matrix
    from formulaic.errors import FormulaicError

    try:
        matrix = model_matrix(formula, obs, na_action="raise")
    except FormulaicError as error:
        msg = f"The design of {formula!r} cannot be built from these samples: {_plain(error)}"
        raise DesignError(msg) from error
    return pd.DataFrame(matrix).astype(np.float64), matrix.model_spec


def _formula_contrasts(spec: Any, samples: Samples, split: str, groups: Sequence[str]) -> Any:
    """Mean row of the design with all samples of a split in the group, less that with all in the reference."""
    obs = samples.obs[samples.splits == split]

    def mean_row(group: str) -> NDArray[np.float64]:
        moved = obs.copy()
        dtype = obs[samples.groupby].dtype
        moved[samples.groupby] = pd.Categorical([group] * len(obs), dtype=dtype)
        return np.asarray(spec.get_model_matrix(moved), dtype=np.float64).mean(axis=0)

    reference = mean_row(samples.reference)
    return sparse.csc_array(np.stack([mean_row(group) - reference for group in groups], axis=1))


def _names_column(factor: str, column: str) -> bool:
    """Whether a factor such as `np.log(age)` holds the name of a column, and not as that of a function or argument."""
    return factor == column or re.search(rf"(?<![\w.]){re.escape(column)}(?![\w.]|\s*\(|\s*=[^=])", factor) is not None


def _plain(error: Exception) -> str:
    """Text of an error without the codes that color a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))
