"""Which conditions and cells no model is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from scpi._screen._split_cells import Split, split_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from scpi.screen._design import Design

# Shares for training and validation; the rest is the test set. Every measured change is taken against test controls, so
# that these need be many, and where whole conditions are tested no other cells need be.
_SHARES_CONTROL = (0.6, 0.1)
_SHARES_CONDITIONS = (0.9, 0.1)
_SHARES_CELLS = (0.7, 0.1)
_MIN_CELLS = 10


def choose_held_out(
    labels: pd.Series,
    held_out: Sequence[str] | Literal["auto"],
    *,
    share: float,
    design: Design,
    rng: np.random.Generator,
) -> list[str]:
    """Conditions to hold out.

    Parameters
    ----------
    labels
        Canonical label of each cell.
    held_out
        Conditions, or ``"auto"`` for a share of the combinations, of those whose members were also measured alone where
        there are any.
    share
        Share of the combinations for ``"auto"``.
    design
        How the screen is labelled.
    rng
        Generator of the choice.

    Returns
    -------
    Canonical labels, sorted; empty if there is no combination.
    """
    counts = labels.value_counts()
    measured = {str(label) for label in counts.index[counts > 0]}
    if held_out != "auto":
        wanted = sorted({design.canonical(label) for label in held_out})
        unknown = [label for label in wanted if label not in measured]
        if unknown:
            msg = f"`held_out` names {unknown}, which no cell is labelled with."
            raise ValueError(msg)
        if design.control in wanted:
            msg = f"`held_out` names the control {design.control!r}, which training needs."
            raise ValueError(msg)
        return wanted
    if not 0 < share < 1:
        msg = f"`held_out_share` must be above 0 and below 1, got {share}."
        raise ValueError(msg)
    members = {label: design.members(label) for label in sorted(measured)}
    combinations = [label for label, parts in members.items() if len(parts) > 1 and counts[label] >= _MIN_CELLS]
    additive = [label for label in combinations if all(part in measured for part in members[label])]
    candidates = additive or combinations
    if not candidates:
        return []
    n_held_out = max(1, round(share * len(candidates)))
    return sorted(str(label) for label in rng.choice(candidates, size=n_held_out, replace=False))


def split_screen(labels: pd.Series, held_out: Sequence[str], *, design: Design, rng: np.random.Generator) -> Split:
    """Divide cells into training, validation and test sets.

    Parameters
    ----------
    labels
        Canonical label of each cell.
    held_out
        Conditions that are in the test set as a whole. Without any, a share of the cells of every condition is.
    design
        How the screen is labelled.
    rng
        Generator of the permutations.
    """
    codes = labels.cat.codes.to_numpy().astype(np.int64)
    is_control = (labels == design.control).to_numpy()
    tested = labels.isin(held_out).to_numpy()
    shares = _SHARES_CONDITIONS if held_out else _SHARES_CELLS
    parts = []
    for rows, (train, validation) in ((is_control, _SHARES_CONTROL), (~is_control, shares)):
        cells = np.flatnonzero(rows)
        split = split_cells(codes[cells], train_size=train, validation_size=validation, held_out=tested[cells], rng=rng)
        parts.append([cells[part] for part in split])
    return Split(*(np.sort(np.concatenate(pair)) for pair in zip(*parts, strict=True)))
