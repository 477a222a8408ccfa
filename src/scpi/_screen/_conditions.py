"""Conditions of a screen: what cells were perturbed with, at which dose, in which context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scpi._screen._checks import as_indices, load_annotations
from scpi._screen._labels import Labelling, quoted, text_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from scpi._screen._labels import Control

Dose = float | Mapping[str, float]
"""Dose of a condition: one for all members, or one for each by its name."""


class Condition(NamedTuple):
    """A perturbation or a combination, and the dose of each of its members."""

    label: str
    """Canonical label."""
    doses: tuple[float, ...]
    """Dose of each member, in the order of the label; empty for the control."""

    @property
    def largest_dose(self) -> float:
        """Dose of the members, the largest one where they differ; 0 for the control."""
        return max(self.doses, default=0.0)

    def dose(self, labelling: Labelling) -> Dose:
        """Dose as ``predict`` of a model takes it."""
        if len(set(self.doses)) < 2:
            return self.largest_dose
        return dict(zip(labelling.members(self.label), self.doses, strict=True))

    def dose_name(self, labelling: Labelling) -> float | str:
        """Dose for a table: a number, or the doses of the members joined as their names are."""
        if len(set(self.doses)) < 2:
            return self.largest_dose
        return (labelling.delimiter or "").join(f"{dose:.12g}" for dose in self.doses)


def read_conditions(
    labels: pd.Series,
    labelling: Labelling,
    doses: pd.Series | None = None,
    *,
    where: tuple[str, str | None],
    what: str = "adata.obs",
) -> tuple[list[Condition], NDArray[np.int64]]:
    """Conditions that occur, sorted by label and doses, and the code of each cell; -1 where its label is not assigned.

    The dose of a cell is a number for all members of its label, or text with one number for each member, joined as the
    members are and in their order (``"10+0.5"``); it is 1 without, and those of controls do not matter. A `ValueError`
    says if one is not a finite number of at least 0, or there are not as many as members; in it, ``where`` names the
    columns of labels and doses, and ``what`` their table.
    """
    text = text_labels(labels)
    codes_of_doses, values = (np.zeros(len(text), dtype=np.int64), np.array([1.0], dtype=object))
    if doses is not None:
        codes_of_doses, values = pd.factorize(np.asarray(doses, dtype=object), use_na_sentinel=False)
    used = text.codes >= 0
    pairs, pair = np.unique(np.stack([text.codes[used], codes_of_doses[used]], axis=1), axis=0, return_inverse=True)
    column = f"`{what}[{where[1]!r}]`"
    found = [_condition(text.categories[label], values[dose], labelling, column) for label, dose in pairs]
    conditions = sorted({one for one in found if one is not None})
    place = {condition: code for code, condition in enumerate(conditions)}
    codes = np.full(len(text), -1, dtype=np.int64)
    codes[used] = np.array([-1 if one is None else place[one] for one in found], dtype=np.int64)[pair.reshape(-1)]
    return conditions, codes


def describe_conditions(
    conditions: Sequence[Condition], codes: NDArray[np.int64], labels: pd.Series, labelling: Labelling
) -> str:
    """What was understood of the labels of cells, in one sentence; arguments as of :func:`read_conditions`."""
    n_members = np.array([len(condition.doses) for condition in conditions])
    n_cells = np.bincount(codes[codes >= 0], minlength=len(conditions))
    parts = [f"{n_cells[n_members == 0].sum():,} control cells ({quoted(labelling.control_names)})"]
    for which, what in ((n_members == 1, "single perturbations"), (n_members > 1, "combinations")):
        names = {condition.label for condition, chosen in zip(conditions, which, strict=True) if chosen}
        parts.append(f"{len(names):,} {what} ({n_cells[which].sum():,} cells)" if names else f"no {what}")
    n_doses = len({dose for condition in conditions for dose in condition.doses})
    if n_doses > 1:
        parts.append(f"{n_doses} doses")
    respelled = [label for label in text_labels(labels).categories if labelling.canonical(label) not in {"", label}]
    if respelled:
        parts.append(f"spelled otherwise: {quoted(respelled, n_max=3)}")
    if (codes < 0).any():
        parts.append(f"{(codes < 0).sum():,} cells left out, without a label or unassigned")
    return f"{', '.join(parts)}."


def _condition(label: str, dose: Any, labelling: Labelling, column: str) -> Condition | None:
    """Condition of a label and a dose as they stand in the data; ``None`` where the label is not assigned."""
    canonical = labelling.canonical(label)
    if not canonical:
        return None
    members = labelling.members(label)
    if not members:
        return Condition(canonical, ())
    parts, given = labelling.parts(label), _numbers(dose, labelling.delimiter)
    if given is None or not all(np.isfinite(value) and value >= 0 for value in given):
        negative = given is not None and any(value < 0 for value in given)
        problem = (
            f"holds negative doses such as {min(given or [0.0]):g}"
            if negative
            else (
                f"must be a finite number for every perturbed cell, or one for each member, but is {dose!r} for {label!r}"
            )
        )
        msg = f"{column} {problem}."
        raise ValueError(msg)
    if len(given) not in (1, len(parts)):
        msg = f"{column} has {len(given)} doses, {dose!r}, for the {len(parts)} members of {label!r}."
        raise ValueError(msg)
    by_part = dict(zip(parts, given if len(given) > 1 else given * len(parts), strict=True))
    return Condition(canonical, tuple(by_part[member] for member in members))


def _numbers(dose: Any, delimiter: str | None) -> list[float] | None:
    """A number, or several joined by the delimiter; ``None`` if it is neither."""
    # A number such as 1e+03 holds the usual delimiter
    for parts in ([dose], [] if delimiter is None else str(dose).split(delimiter)):
        try:
            if parts:
                return [float(part) for part in parts]
        except (TypeError, ValueError):
            continue
    return None


def encode_conditions(
    labels: Sequence[str],
    vocabulary: Sequence[str],
    labelling: Labelling,
    doses: Sequence[Dose | Sequence[float] | None] | None = None,
) -> NDArray[np.float32]:
    """Doses of the single perturbations in each label, (n_conditions, n_perturbations); 0 for the control.

    Columns are in the order of ``vocabulary``. A dose is one for all members, or one for each, by name or in the order
    of the canonical label; 1 without. A `ValueError` names what is outside the vocabulary, and doses that do not go
    with the members.
    """
    column = {name: index for index, name in enumerate(vocabulary)}
    unknown = [member for member in labelling.vocabulary(labels) if member not in column]
    unassigned = [str(label) for label in labels if not labelling.canonical(label)]
    if unknown or unassigned:
        joined = "" if labelling.delimiter is None else f", combinations of these joined by {labelling.delimiter!r}"
        msg = (
            f"Unknown perturbation {quoted(unknown or unassigned)}. The model knows {quoted(vocabulary)}{joined}, and "
            f"the control {labelling.control!r}."
        )
        raise ValueError(msg)
    design = np.zeros((len(labels), len(vocabulary)), dtype=np.float32)
    for row, label in enumerate(labels):
        members = labelling.members(label)
        given = member_doses(members, None if doses is None else doses[row])
        design[row, [column[member] for member in members]] = given
    return design


def member_doses(members: Sequence[str], dose: Dose | Sequence[float] | None) -> tuple[float, ...]:
    """Dose of each member of a label, from one for all, or one for each by name or in order; 1 if ``None``."""
    if dose is None:
        return (1.0,) * len(members)
    if isinstance(dose, Mapping):
        if set(dose) != set(members):
            msg = f"Doses must be given for each of {list(members)}, but are for {list(dose)}."
            raise ValueError(msg)
        return tuple(float(dose[member]) for member in members)
    if np.ndim(dose) == 0:
        return (float(dose),) * len(members)  # type: ignore[arg-type]
    given = tuple(float(value) for value in dose)  # type: ignore[union-attr]
    if len(given) != len(members):
        msg = f"{len(given)} doses were given for the {len(members)} perturbations {list(members)}."
        raise ValueError(msg)
    return given


@dataclass(frozen=True, eq=False, kw_only=True)
class ScreenLabels:
    """Labels of the cells of a screen: ``cells`` are their positions, in ascending order.

    ``condition`` is the code of each cell in ``conditions``, and ``context`` its context as text, empty without.
    """

    cells: NDArray[np.int64]
    condition: NDArray[np.int64]
    conditions: list[Condition]
    context: NDArray[np.object_]
    labelling: Labelling

    @property
    def perturbation(self) -> NDArray[np.object_]:
        """Canonical label of each cell."""
        return np.array([one.label for one in self.conditions], dtype=object)[self.condition]

    @property
    def is_control(self) -> NDArray[np.bool_]:
        """Whether each cell is a control."""
        return np.array([not one.doses for one in self.conditions], dtype=bool)[self.condition]

    @property
    def dose(self) -> NDArray[np.float64]:
        """Dose of each cell, the largest one of its members where they differ; 1 without, and 0 for controls."""
        return np.array([one.largest_dose for one in self.conditions], dtype=np.float64)[self.condition]

    @property
    def stratum(self) -> NDArray[np.int64]:
        """Code of the pair of condition and context of each cell."""
        _, context = np.unique(self.context.astype(str), return_inverse=True)
        pairs = np.stack([context.reshape(-1), self.condition], axis=1)
        return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def where(self, cells: NDArray[np.int64]) -> NDArray[np.intp]:
        """Places of cells among those that have labels; all of them must."""
        return np.searchsorted(self.cells, cells)


def read_screen(
    adata: AnnData,
    *,
    perturbation_key: str,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    dose_key: str | None = None,
    cells: ArrayLike | None = None,
) -> ScreenLabels:
    """Labels of the cells of a screen, checked; cells whose label or context is missing are left out.

    Only ``cells`` are read, given by position or as a mask; all if ``None``. A `KeyError` names a missing column, and a
    `ValueError` says if there is no control cell or no perturbed one, or a dose is not a number.
    """
    load_annotations(adata)
    named = {"perturbation_key": perturbation_key, "context_key": context_key, "dose_key": dose_key}
    for argument, key in named.items():
        if key is not None and key not in adata.obs:
            columns = quoted([str(name) for name in adata.obs.columns], n_max=20)
            msg = f"`{argument}` names {key!r}, but `obs` has no column {key!r}, only {columns}."
            raise KeyError(msg)
    labelling = Labelling.of(control, delimiter)
    chosen = np.unique(as_indices(cells, adata.n_obs))
    obs = adata.obs.iloc[chosen]
    conditions, codes = read_conditions(
        obs[perturbation_key],
        labelling,
        None if dose_key is None else obs[dose_key],
        where=(perturbation_key, dose_key),
    )
    kept = codes >= 0
    context = np.full(len(chosen), "", dtype=object)
    if context_key is not None:
        read = text_labels(obs[context_key])
        kept &= read.codes >= 0
        context = np.array([*read.categories, ""], dtype=object)[read.codes]
    if cells is None:
        labelling.warn_of_lone_members(one.label for one in conditions)
    labels = ScreenLabels(
        cells=chosen[kept],
        condition=codes[kept],
        conditions=conditions,
        context=context[kept],
        labelling=labelling,
    )
    if not labels.is_control.any() or labels.is_control.all():
        missing = "perturbed" if labels.is_control.any() else "control"
        there = sorted({one.label for one in conditions})
        msg = (
            f"There is no {missing} cell: `adata.obs[{perturbation_key!r}]` holds {quoted(there)}, and the control is "
            f"{labelling.control!r}."
        )
        raise ValueError(msg)
    return labels
