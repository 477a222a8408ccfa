"""Designs and contrasts of samples, for linear models."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._slots import listed
from scpi.de._covariates import is_number, is_slope
from scpi.de._design import DesignError, as_design, group_design, require_residuals
from scpi.de._donors import count_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi._view import View
    from scpi.de._comparisons import Comparison, Comparisons
    from scpi.de._design import Design

ALL = "all"


@dataclass(frozen=True)
class Samples:
    """Samples and their annotations."""

    obs: pd.DataFrame
    """Covariates, one row per sample."""
    groupby: str | None
    """Column of the groups, a categorical without missing values, if there are groups."""
    split_by: str | None
    """Column of the splits, such as cell types, a categorical without missing values."""
    donor: str | None = None
    """Column of the donors, if they are known."""
    numbers: Sequence[str] = ()
    """Columns of numbers that the model takes as they are."""

    @property
    def pairs_donors(self) -> bool:
        """Whether donors are names for the model, not the values of a slope."""
        return self.donor not in self.numbers or not is_slope(self.obs[self.donor])

    @property
    def donors(self) -> NDArray[np.object_] | None:
        """Donor of each sample."""
        return None if self.donor is None else self._text(self.donor)

    @property
    def splits(self) -> NDArray[np.object_]:
        """Split of each sample."""
        return self._text(self.split_by)

    @property
    def groups(self) -> NDArray[np.object_]:
        """Group of each sample."""
        return self._text(self.groupby)

    def _text(self, column: str | None) -> NDArray[np.object_]:
        if column is None:
            return np.full(len(self.obs), ALL, dtype=object)
        return self.obs[column].astype(str).to_numpy(dtype=object)

    def rows(self, rows: NDArray[np.intp]) -> Samples:
        """Select samples.

        Parameters
        ----------
        rows
            Samples, by number.

        Returns
        -------
        These samples, without unused categories.
        """
        obs = self.obs.iloc[rows].copy()
        for name in obs:
            if isinstance(obs[name].dtype, pd.CategoricalDtype):
                obs[name] = obs[name].cat.remove_unused_categories()
        return replace(self, obs=obs)

    def with_levels(self) -> Samples:
        """Code numbers with two values as 0 and 1, so that results do not depend on the numbers.

        Standard errors of limma are approximate, and depend on where the zero of a covariate is.
        """
        two = [name for name in self.numbers if self.obs[name].nunique() == 2]
        coded = {name: (self.obs[name] == self.obs[name].max()).astype(np.float64) for name in two}
        return replace(self, obs=self.obs.assign(**coded)) if two else self


@dataclass(frozen=True)
class SplitContrasts:
    """Comparisons within one split."""

    split: str
    """Name of the split."""
    names: list[str]
    """Names of the comparisons, such as of the groups compared with the reference."""
    matrix: Any
    """Coefficients x comparisons, sparse."""
    contrasts: list[str]
    """Contrast that is tested to be zero, as text."""
    n_samples: list[int]
    """Samples of the groups or coefficients with positive weight."""
    n_reference: list[int]
    """Samples of the groups or coefficients with negative weight."""
    missing: list[str]
    """Comparisons that are skipped, as a group has no samples."""
    n_donors: list[tuple[int, int]] | None = None
    """Donors of all these samples, and donors with samples on both sides, if donors are known."""


@dataclass(frozen=True)
class Terms:
    """Columns and terms of a formula."""

    columns: list[str]
    """Columns of `obs`."""
    slopes: list[str]
    """Columns that are used untransformed, so that numbers are slopes."""
    transformed: list[str]
    """Columns that are in a function."""
    together: list[list[str]]
    """Columns of each term."""

    def interacting(self, column: str) -> list[str]:
        """Other columns in terms with this column, on which its effect depends."""
        others = (name for term in self.together if column in term for name in term if name != column)
        return list(dict.fromkeys(others))

    @classmethod
    def of(cls, formula: str, *, needed: Sequence[str], view: View) -> Terms:
        """Read a formula.

        Parameters
        ----------
        formula
            Right side of a formula. Column names may contain dots, and other characters within backticks.
        needed
            Columns that it must contain.
        view
            Data with the columns.

        Raises
        ------
        ValueError
            If it cannot be parsed, has a left side, or lacks a required column.
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
        together = [
            [name for name in columns if any(_names_column(str(factor.expr), name) for factor in term.factors)]
            for term in parsed
        ]
        functions = [factor for factor in factors if factor not in columns]
        transformed = [name for name in columns if any(_names_column(factor, name) for factor in functions)]
        return cls(columns, [name for name in columns if name in factors], transformed, together)


@dataclass(frozen=True)
class _Model:
    """Design of samples, with the quantities that a contrast may name."""

    design: Design
    matrix: pd.DataFrame
    """Columns of the design that are not indicators of groups, samples x coefficients."""
    terms: dict[str, list[str]]
    """Coefficients of each term."""
    order: list[str]
    """All coefficients in order, groups by their own names."""
    spec: Any = None
    """The formula of the design."""


def build_model(
    samples: Samples, asked: Comparisons, *, covariates: Sequence[str], formula: str | None
) -> tuple[Design, list[SplitContrasts]]:
    """Build the design of samples, and the comparisons in each of their splits.

    Raises
    ------
    DesignError
        If nothing can be compared, a contrast or coefficient is unknown, the design is not of full rank, or leaves no
        residual degrees of freedom.
    """
    # Report groups that cannot be compared before a design that cannot be fitted
    if asked.compares_groups and not any(asked.within(present, (), {}, ())[0] for _, present in _present(samples)):
        counted = pd.Series(samples.groups).value_counts()
        what = "No pair of groups" if asked.pairs else f"No group can be compared with {asked.reference!r}"
        msg = f"{what}: there are samples of {listed(f'{name} ({n})' for name, n in counted.items())}."
        raise DesignError(msg)
    model = _group_model(samples, covariates) if formula is None else _formula_model(samples, formula)
    require_residuals(model.design)
    if (coded := samples.with_levels()) is not samples and _is_about_groups(model, samples, asked):
        other = _group_model(coded, covariates) if formula is None else _formula_model(coded, formula)
        if formula is None or _have_same_span(model.matrix, other.matrix):
            model, samples = other, coded
    splits = [(ALL, [])] if asked.coef is not None and _is_joint(samples) else _present(samples)
    found = [_split_contrasts(model, samples, asked, split, present) for split, present in splits]
    if not any(split.names for split in found):
        missing = listed(dict.fromkeys(name for split in found for name in split.missing))
        msg = f"Nothing can be tested: no samples of the groups of {missing}."
        raise DesignError(msg)
    return model.design, found


def _is_about_groups(model: _Model, samples: Samples, asked: Comparisons) -> bool:
    """Whether no comparison names a coefficient, whose value depends on the numbers of its column."""
    if asked.coef is not None:
        return False
    if asked.compares_groups:
        return True
    of_splits = (asked.within(present, model.matrix, model.terms, model.order)[0] for _, present in _present(samples))
    return {name for of_split in of_splits for one in of_split for name in one.weights} <= set(samples.groups)


def _have_same_span(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether the columns of two model matrices are sums of each other."""
    scaled = [matrix.to_numpy() / np.abs(matrix.to_numpy()).max(axis=0) for matrix in (one, other)]
    return bool(np.linalg.matrix_rank(np.hstack(scaled)) == np.linalg.matrix_rank(scaled[0]))


def _is_joint(samples: Samples) -> bool:
    """Whether the samples are of several splits."""
    return samples.split_by is not None and samples.obs[samples.split_by].nunique() > 1


def _present(samples: Samples) -> list[tuple[str, list[str]]]:
    """Splits, and the groups that have samples in them."""
    order = [ALL] if samples.split_by is None else [str(name) for name in samples.obs[samples.split_by].cat.categories]
    splits, groups = samples.splits, samples.groups
    known = [] if samples.groupby is None else list(map(str, samples.obs[samples.groupby].cat.categories))
    present = {split: set(groups[splits == split]) for split in order}
    return [(split, [name for name in known if name in of_split]) for split, of_split in present.items() if of_split]


def _group_model(samples: Samples, covariates: Sequence[str]) -> _Model:
    """A mean for each split and group, and a coefficient for each column of the covariates."""
    codes, combinations = _combinations(samples)
    columns, terms = _covariate_columns(samples.obs, covariates)
    labels = [group if samples.split_by is None else f"{split} | {group}" for split, group in combinations]
    design = group_design(codes, labels, columns=columns.to_numpy(), names=list(columns))
    return _Model(design, columns, terms, [group for _, group in combinations] + list(columns))


def _formula_model(samples: Samples, formula: str) -> _Model:
    frame, spec = _formula_matrix(formula, samples.obs)
    names = frame.columns
    terms = {str(term): [str(names[i]) for i in columns] for term, columns in spec.term_indices.items()}
    codes = None if samples.groupby is None else _combinations(samples)[0]
    return _Model(as_design(frame, n_samples=len(frame), groups=codes), frame, terms, list(names), spec)


def _combinations(samples: Samples) -> tuple[NDArray[np.intp], Any]:
    cells = pd.MultiIndex.from_arrays([samples.splits, samples.groups])
    codes, combinations = pd.factorize(cells, sort=True)
    return codes.astype(np.intp), combinations


def _split_contrasts(
    model: _Model, samples: Samples, asked: Comparisons, split: str, present: Sequence[str]
) -> SplitContrasts:
    """Comparisons of one split, as combinations of the coefficients."""
    # In a joint model, names of groups refer to the split, and coefficients to no split
    joint = _is_joint(samples)
    names = [] if joint else list(model.matrix)
    comparisons, missing = asked.within(present, names, model.terms, [] if joint else model.order)
    vectors = _vectors(model, samples, split, {name for one in comparisons for name in one.weights}, set(present))
    within = np.flatnonzero(samples.splits == split)
    rows_of = {
        name: within[places]
        for name, places in pd.Series(samples.groups[within]).groupby(samples.groups[within]).indices.items()
    }
    entries = [
        (row, column, weight * value)
        for column, one in enumerate(comparisons)
        for name, weight in one.weights.items()
        for row, value in zip(*vectors[name], strict=True)
    ]
    rows, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
    n = len(comparisons)

    def side(one: Comparison, sign: float) -> NDArray[np.bool_]:
        chosen = [name for name, weight in one.weights.items() if weight * sign > 0]
        on_it = np.zeros(len(samples.obs), dtype=bool)
        for name in chosen:
            if name in rows_of:
                on_it[rows_of[name]] = True
            else:
                values = model.matrix[name]
                # A slope depends on all samples, including those at zero
                on_it |= ((values != 0) | ~values.isin([0.0, 1.0]).all()).to_numpy()
        return on_it

    first, second = ([side(one, sign) for one in comparisons] for sign in (1.0, -1.0))
    if asked.coef is not None:
        second = [~used for used in first]
    donors = samples.donors
    pairs = None if donors is None else [count_pairs(donors, *sides) for sides in zip(first, second, strict=True)]
    if pairs is not None and not samples.pairs_donors:
        pairs = [(n, 0) for n, _ in pairs]
    return SplitContrasts(
        split=split,
        names=[one.name for one in comparisons],
        # Entries at the same position are summed
        matrix=sparse.csc_array((values, (rows, columns)), shape=(len(model.design.names), n)),
        contrasts=[one.contrast for one in comparisons],
        n_samples=[int(used.sum()) for used in first],
        n_reference=[int(used.sum()) for used in second],
        missing=missing,
        n_donors=pairs,
    )


def _vectors(
    model: _Model, samples: Samples, split: str, names: set[str], groups: set[str]
) -> dict[str, tuple[Any, Any]]:
    """Positions and values of each name among the coefficients: one for a coefficient, a design row for a group."""
    place = {name: i for i, name in enumerate(model.design.names)}
    obs = samples.obs[samples.splits == split]

    def of_name(name: str) -> tuple[Any, Any]:
        if name not in groups:
            return [place[name]], [1.0]
        if model.spec is None:
            return [place[name if samples.split_by is None else f"{split} | {name}"]], [1.0]
        # The mean row of the design with all samples of the split in the group
        moved = obs.copy()
        moved[samples.groupby] = pd.Categorical([name] * len(obs), dtype=obs[samples.groupby].dtype)
        row = np.asarray(model.spec.get_model_matrix(moved), dtype=np.float64).mean(axis=0)
        return np.flatnonzero(row), row[row != 0]

    return {name: of_name(name) for name in names}


def _covariate_columns(obs: pd.DataFrame, covariates: Sequence[str]) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Numbers unchanged, categories as indicators of all levels but the first; constants are dropped."""
    columns: dict[str, Any] = {}
    terms: dict[str, list[str]] = {}
    for name in covariates:
        values = obs[name]
        if is_number(values):
            of_term = {name: values.to_numpy(dtype=np.float64)} if values.nunique() > 1 else {}
        else:
            levels = values.cat.remove_unused_categories().cat.categories[1:]
            of_term = {f"{name}={level}": (values == level).to_numpy(dtype=np.float64) for level in levels}
        if of_term:
            terms[name] = list(of_term)
        columns |= of_term
    return pd.DataFrame(columns, index=obs.index), terms


def _formula_matrix(formula: str, obs: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
    from formulaic import model_matrix
    from formulaic.errors import FormulaicError

    try:
        matrix = model_matrix(formula, obs, na_action="raise")
    except FormulaicError as error:
        msg = f"The design of {formula!r} cannot be built from these samples: {_plain(error)}"
        raise DesignError(msg) from error
    return pd.DataFrame(matrix).astype(np.float64), matrix.model_spec


def _names_column(factor: str, column: str) -> bool:
    """Whether a factor such as `np.log(age)` contains the name of a column, not of a function or argument."""
    return factor == column or re.search(rf"(?<![\w.]){re.escape(column)}(?![\w.]|\s*\(|\s*=[^=])", factor) is not None


def _plain(error: Exception) -> str:
    """Text of an error without ANSI color codes."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))
