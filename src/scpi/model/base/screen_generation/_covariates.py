"""Covariates of models of perturbation screens: perturbations and doses beside categories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._screen._conditions import encode_conditions, read_conditions
from scpi.model.base.generation._covariates import Covariates, Encoded, finite_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scpi._screen._conditions import Dose
    from scpi._screen._labels import Labelling
    from scpi.model.base.generation._covariates import Values


@dataclass(frozen=True)
class ScreenCovariates(Covariates):
    """Perturbations, combinations of them included, and their doses, beside the categories of the context and the batch.

    Encoded values are the doses of the single perturbations, rows x perturbations.
    """

    perturbation: str = field(kw_only=True)
    """Column of the perturbation."""
    dose: str | None = field(kw_only=True)
    """Column of the dose; ``None`` where none is registered, which is a dose of 1."""
    vocabulary: Sequence[str] = field(kw_only=True)
    """Single perturbations, in the order of the values."""
    labelling: Labelling = field(kw_only=True)
    """Format of perturbation labels."""
    check_dose: Callable[[Dose], None] = field(kw_only=True)
    """Warns of a dose that was not measured."""

    @property
    def names(self) -> list[str]:
        """Names of all covariates."""
        return [self.perturbation, *([] if self.dose is None else [self.dose]), *self.categories]

    @property
    def text(self) -> list[str]:
        """Names of those that are text."""
        return [self.perturbation, *self.categories]

    def encode(self, table: pd.DataFrame, *, what: str = "plan") -> Encoded:
        """Codes of the categories and doses of the perturbations of the rows of a table.

        Raises
        ------
        KeyError
            If a covariate is not a column of the table, which messages call ``what``.
        ValueError
            If a perturbation or a category is unknown or missing, or a dose is not a number of at least 0.
        """
        return super().encode(table, what=what)._replace(values=self._doses(table, what))

    def replace(self, given: Encoded, changes: Mapping[str, Any]) -> Encoded:
        """Covariates of cells after some of them are set to one value each; a dose is set for all perturbed cells.

        Raises
        ------
        ValueError
            If nothing is changed, a covariate, a perturbation or a category is unknown, or a dose is missing or not a
            number of at least 0.
        """
        self._check_changes(changes)
        of_perturbation = {name: value for name, value in changes.items() if name in (self.perturbation, self.dose)}
        others = {name: value for name, value in changes.items() if name not in of_perturbation}
        found = super().replace(given, others) if others else given
        if not of_perturbation:
            return found
        if self.perturbation in of_perturbation:
            return found._replace(values=np.repeat(self._one(of_perturbation), len(given.codes), axis=0))
        assert self.dose is not None
        dose = float(finite_values(self.dose, pd.Series([of_perturbation[self.dose]]))[0])
        if dose < 0:
            msg = f"{self.dose!r} must be at least 0, got {dose:g}."
            raise ValueError(msg)
        self.check_dose(dose)
        return found._replace(values=np.where(given.values > 0, np.float32(dose), np.float32(0)))

    def column(self, name: str, value: Any, n_cells: int) -> Any:
        """Column of ``obs`` of cells that have one value of a covariate; doses of several members are text."""
        if name == self.dose and not isinstance(value, str):
            return float(value)
        return super().column(name, value, n_cells)

    def _one(self, given: Mapping[str, Any]) -> Values:
        """Doses of one perturbation, (1, n_perturbations)."""
        label = given[self.perturbation]
        if self.dose is not None and self.dose not in given:
            if self.labelling.members(label):
                msg = f"The model reads the dose of a perturbation: give {self.dose!r} of {label!r} beside {self.perturbation!r}."
                raise ValueError(msg)
            given = {**given, self.dose: 0.0}
        return self._doses(pd.DataFrame([dict(given)]), "**covariates")

    def _doses(self, table: pd.DataFrame, what: str) -> Values:
        """Doses of the single perturbations of each row."""
        labels = table[self.perturbation]
        doses = None if self.dose is None else table[self.dose]
        conditions, codes = read_conditions(
            labels, self.labelling, doses, where=(self.perturbation, self.dose), what=what
        )
        if (codes < 0).any():
            msg = f"The covariate {self.perturbation!r} has no value for {int((codes < 0).sum())} rows."
            raise ValueError(msg)
        designs = encode_conditions(
            [one.label for one in conditions], self.vocabulary, self.labelling, [one.doses for one in conditions]
        )
        for condition in conditions:
            self.check_dose(condition.dose(self.labelling))
        return designs[codes]
