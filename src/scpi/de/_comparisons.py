"""Comparisons among samples: groups with references, contrasts, and coefficients of a design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from scpi._groups import REST, named_groups
from scpi._screen._spellings import find_label
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.de._design import DesignError
from scpi.de._linear_combination import linear_combination

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scpi._groups import Label

Contrast: TypeAlias = str | Mapping[str, float] | Sequence[float] | np.ndarray
"""A linear combination of groups and coefficients: text, weights by name, or a weight of each coefficient."""
Contrasts: TypeAlias = Contrast | Sequence[Contrast] | Mapping[str, Contrast] | pd.DataFrame
"""One or several contrasts, by name in a mapping or in the columns of a DataFrame."""

PAIRS = "pairs"


@dataclass(frozen=True)
class Comparison:
    """One comparison within a split."""

    name: str
    """Name, such as that of the group compared with the only reference."""
    weights: dict[str, float]
    """Weights of groups and coefficients, by their names."""
    contrast: str
    """Contrast that is tested to be zero, as text."""


@dataclass(frozen=True)
class Comparisons:
    """Requested comparisons of groups and coefficients, before it is known which of them occur in a split."""

    groups: list[str]
    """Groups to test."""
    known: list[str]
    """All groups of the data."""
    references: list[str]
    """Groups to compare with; `"rest"` alone for the mean of all others."""
    contrasts: dict[str, Any] | None = None
    """Contrasts by name."""
    coef: list[str] | None = None
    """Coefficients, or terms of the design."""
    pairs: bool = False
    """Whether every group is compared with every other."""

    @classmethod
    def of(
        cls,
        labels: pd.Categorical | None,
        groupby: str | None,
        *,
        groups: Label | Sequence[Label] | Literal["all"],
        reference: Label | Sequence[Label] | None,
        contrasts: Contrasts | Literal["pairs"] | None,
        coef: str | Sequence[str] | None,
    ) -> Comparisons:
        """Parse the requested comparisons.

        Parameters
        ----------
        labels
            Group of each cell or sample, if there are groups.
        groupby
            Column of the groups.
        groups, reference, contrasts, coef
            As in :func:`scpi.de.limma`.

        Raises
        ------
        ValueError
            If no comparison is requested, requests conflict, or a group is unknown.
        """
        asked = {"reference": reference, "contrasts": contrasts, "coef": coef}
        given = [name for name, value in asked.items() if value is not None]
        if len(given) != 1:
            msg = (
                f"Give one of `reference`, `contrasts` and `coef`, which define comparisons, but not {listed(given)}: "
                "`reference` compares each group of `groupby` with one or several groups, or with 'rest'; `contrasts` "
                "takes 'A - B' or 'pairs'; `coef` takes a term of the formula."
            )
            raise ValueError(msg)
        all_groups = isinstance(groups, str) and groups == "all"
        pairs = isinstance(contrasts, str) and contrasts == PAIRS
        if labels is None or groupby is None:
            if reference is not None or pairs or not all_groups:
                msg = "`reference`, `groups` and contrasts of 'pairs' need `groupby`, the column of the groups."
                raise ValueError(msg)
            known = []
        else:
            known = [str(label) for label in labels.categories]
        empty = cls([], known, [])
        if coef is not None:
            _refuse_groups(all_groups, "coef")
            return replace(empty, coef=[str(name) for name in as_list(coef)])
        if pairs:
            chosen = known if all_groups else named_groups(known, str(groupby), groups, "")
            if len(chosen) < 2:
                msg = f"Pairs need two groups or more of `obs[{groupby!r}]`, but there is {listed(chosen)}."
                raise ValueError(msg)
            return replace(empty, groups=chosen, pairs=True)
        if contrasts is not None:
            _refuse_groups(all_groups, "contrasts")
            return replace(empty, contrasts=named_contrasts(contrasts))
        references = _references(reference, known, str(groupby))
        if all_groups:
            tested = [label for label in known if label not in references]
        else:
            first = references[0] if len(references) == 1 else ""
            tested = named_groups(known, str(groupby), groups, first)
        return replace(empty, groups=tested, references=references)

    @property
    def compares_groups(self) -> bool:
        """Whether groups are compared with references, or in pairs."""
        return self.contrasts is None and self.coef is None

    @property
    def reference(self) -> str:
        """Reference of the tests, as one word: a group, or zero for contrasts and coefficients."""
        return " | ".join(self.references) if self.references else "0"

    def restricted(self, groups: list[str]) -> Comparisons:
        """Restrict the comparisons to some of the groups.

        Parameters
        ----------
        groups
            Groups to test.

        Returns
        -------
        The comparisons of these.
        """
        return replace(self, groups=groups)

    def within(
        self, present: Sequence[str], names: Iterable[str], terms: Mapping[str, Sequence[str]], order: Sequence[str]
    ) -> tuple[list[Comparison], list[str]]:
        """Return the comparisons that are possible with some samples.

        Parameters
        ----------
        present
            Groups with samples.
        names
            Further names that a contrast may have: coefficients of the design.
        terms
            Coefficients of each term of the design.
        order
            All coefficients of the design in order, for contrasts that are vectors.

        Returns
        -------
        The comparisons, and the names of skipped ones, for which a group has no samples.

        Raises
        ------
        DesignError
            If a contrast or coefficient is unknown.
        """
        if self.coef is not None:
            chosen = dict.fromkeys(name for asked in self.coef for name in _find_term(asked, terms))
            # Some file formats do not allow a colon in the name of a field
            return [Comparison(name.replace(":", " x "), {name: 1.0}, name) for name in chosen], []
        if self.contrasts is not None:
            return self._contrasts(self.contrasts, present, list(names), list(order))
        if self.pairs:
            groups = [group for group in self.groups if group in present]
            missing = [group for group in self.groups if group not in present]
            asked = [(a, b) for i, b in enumerate(groups) for a in groups[i + 1 :]]
            return [Comparison(f"{a} - {b}", {a: 1.0, b: -1.0}, f"{a} - {b}") for a, b in asked], missing
        if self.references == [REST]:
            return self._against_rest(present)
        found, missing = [], []
        for reference in self.references:
            for group in self.groups:
                name = group if len(self.references) == 1 else f"{group} - {reference}"
                if group == reference:
                    continue
                if group in present and reference in present:
                    found.append(Comparison(name, {group: 1.0, reference: -1.0}, f"{group} - {reference}"))
                else:
                    missing.append(name)
        return found, missing

    def _against_rest(self, present: Sequence[str]) -> tuple[list[Comparison], list[str]]:
        found, missing = [], []
        for group in self.groups:
            others = [label for label in present if label != group]
            if group in present and others:
                weights = {group: 1.0} | dict.fromkeys(others, -1.0 / len(others))
                found.append(Comparison(group, weights, f"{group} - mean of the other groups"))
            else:
                missing.append(group)
        return found, missing

    def _contrasts(
        self, contrasts: Mapping[str, Any], present: Sequence[str], names: list[str], order: list[str]
    ) -> tuple[list[Comparison], list[str]]:
        found, missing = [], []
        for name, asked in contrasts.items():
            weights = _weights(asked, list(dict.fromkeys([*self.known, *names])), order)
            absent = [one for one in weights if one not in names and one not in present]
            if absent:
                missing.append(name)
            else:
                text = asked if isinstance(asked, str) else _written(weights)
                found.append(Comparison(name.replace(":", " x "), weights, text))
        return found, missing


def named_contrasts(contrasts: Contrasts) -> dict[str, Any]:
    """Contrasts by name, from one or several in any form.

    Parameters
    ----------
    contrasts
        Text, weights by name or a vector; several of them in a sequence, or by name in a mapping or in the columns of a
        DataFrame, whose index are names of groups or coefficients.

    Raises
    ------
    ValueError
        If there is none, two have the same name, or one is of another kind.
    """
    named: dict[str, Any]
    if isinstance(contrasts, pd.DataFrame):
        named = {str(name): dict(zip(map(str, contrasts.index), contrasts[name], strict=True)) for name in contrasts}
    elif isinstance(contrasts, str):
        named = {contrasts: contrasts}
    elif isinstance(contrasts, Mapping):
        named = {str(name): contrast for name, contrast in contrasts.items()}
        if named and all(map(_is_number, named.values())):
            named = {_written(named): named}
    else:
        several = [contrasts] if _is_vector(contrasts) else list(contrasts)
        names = [_name_of(contrast, place) for place, contrast in enumerate(several)]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            msg = f"`contrasts` has {listed(twice)} more than once."
            raise ValueError(msg)
        named = dict(zip(names, several, strict=True))
    if not named:
        msg = "`contrasts` is empty: give one such as 'A - B'."
        raise ValueError(msg)
    for name, contrast in named.items():
        if not (isinstance(contrast, str | Mapping) or _is_vector(contrast)):
            msg = (
                f"The contrast {name!r} must be text such as 'A - B', weights such as {{'A': 1, 'B': -1}}, or a vector "
                f"with a weight of each coefficient, but is of type {type(contrast).__name__}."
            )
            raise ValueError(msg)
    return named


def _refuse_groups(all_groups: bool, name: str) -> None:
    if not all_groups:
        msg = f"`{name}` says what to test by itself: leave out `groups`."
        raise ValueError(msg)


def _references(reference: Any, known: list[str], groupby: str) -> list[str]:
    found = list(dict.fromkeys(find_label(one, known) for one in as_list(reference)))
    unknown = [one for one in found if one not in known and found != [REST]]
    if unknown or not found:
        msg = (
            f"`reference` must be a group of `obs[{groupby!r}]`, {listed(known)}, several of them, or {REST!r}, but is "
            f"{reference!r}."
        )
        raise ValueError(msg)
    return found


def _weights(contrast: Any, names: list[str], order: list[str]) -> dict[str, float]:
    """Weights by name that are not zero."""
    if isinstance(contrast, str):
        try:
            return linear_combination(contrast, names)
        except ValueError as error:
            raise DesignError(str(error)) from None
    if not isinstance(contrast, Mapping):
        vector = np.asarray(contrast, dtype=np.float64)
        if len(vector) != len(order):
            msg = f"A contrast has {len(vector)} weights for {len(order)} coefficients: {listed(order)}."
            raise DesignError(msg)
        contrast = dict(zip(order, vector.tolist(), strict=True))
        names = [*names, *order]
    weights = {str(name): float(weight) for name, weight in contrast.items() if weight != 0}
    unknown = [name for name in weights if name not in names]
    if unknown:
        msg = f"A contrast has {listed(unknown)}, which is unknown. There are {listed(names)}."
        raise DesignError(msg)
    if not weights or not np.isfinite(list(weights.values())).all():
        msg = "Every contrast must be finite and have a weight that is not zero."
        raise DesignError(msg)
    return weights


def _find_term(asked: str, terms: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Coefficients of a term, whatever the order of its factors, or a coefficient by its own name."""
    wanted = _factors(asked)
    for term, coefficients in terms.items():
        if _factors(term) == wanted:
            return coefficients
    coefficients = [name for of_term in terms.values() for name in of_term]
    same = [name for name in coefficients if name == asked]
    if same:
        return same
    msg = f"`coef` is {asked!r}, but the design has the terms {listed(terms)} and the coefficients {listed(coefficients)}."
    raise DesignError(msg)


def _factors(term: str) -> frozenset[str]:
    """Factors of an interaction, without blanks."""
    return frozenset(factor.replace(" ", "").strip("`") for factor in term.split(":"))


def _written(weights: Mapping[str, float]) -> str:
    """A linear combination as text."""
    parts: list[str] = []
    for name, weight in weights.items():
        if weight == 0:
            continue
        size = "" if abs(weight) == 1 else f"{abs(weight):.4g} * "
        sign = ("-" if weight < 0 else "") if not parts else (" - " if weight < 0 else " + ")
        parts.append(f"{sign}{size}{name}")
    return "".join(parts) or "0"


def _name_of(contrast: Any, place: int) -> str:
    if isinstance(contrast, str):
        return contrast
    return _written(contrast) if isinstance(contrast, Mapping) else f"contrast{place}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_vector(value: Any) -> bool:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence | np.ndarray):
        return False
    return len(value) > 0 and all(_is_number(one) for one in value)
