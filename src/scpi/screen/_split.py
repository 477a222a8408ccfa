"""Which conditions and cells no model is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._screen._split import Split, split_cells
from scpi._sequence import as_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from scpi._screen._labels import Labelling

# Fractions for training and validation; the rest is the test set. Every measured change is taken against test controls,
# so that these need be many, and where whole conditions are tested no other cells need be.
_OF_CONTROLS = (0.6, 0.1)
_OF_CONDITIONS = (0.9, 0.1)
_OF_CELLS = (0.7, 0.1)
_MIN_CELLS = 10


def choose_held_out(
    labels: pd.Series,
    held_out: Sequence[str] | str,
    *,
    share: float,
    labelling: Labelling,
    rng: np.random.Generator,
) -> list[str]:
    """Conditions to hold out: sorted canonical labels; none if there is no combination.

    ``"auto"`` draws a fraction, ``share``, of the combinations, of those whose members were also measured alone where
    there are any. The ``labels`` of the cells are canonical.
    """
    counts = labels.value_counts()
    measured = {str(label) for label in counts.index[counts > 0]}
    if held_out != "auto":
        wanted = sorted({labelling.canonical(label) for label in as_list(held_out)})
        unknown = [label for label in wanted if label not in measured]
        if unknown:
            msg = f"`held_out` names {unknown}, which no cell is labelled with."
            raise ValueError(msg)
        if labelling.control in wanted:
            msg = f"`held_out` names the control {labelling.control!r}, which training needs."
            raise ValueError(msg)
        return wanted
    if not 0 < share < 1:
        msg = f"`held_out_fraction` must be above 0 and below 1, got {share}."
        raise ValueError(msg)
    combinations = [
        label for label in sorted(measured) if labelling.is_combination(label) and counts[label] >= _MIN_CELLS
    ]
    additive = [label for label in combinations if measured.issuperset(labelling.members(label))]
    candidates = additive or combinations
    if not candidates:
        return []
    n_held_out = max(1, round(share * len(candidates)))
    return sorted(str(label) for label in rng.choice(candidates, size=n_held_out, replace=False))


def without_training_cells(labels: pd.Series, split: Split, wanted: Sequence[str], labelling: Labelling) -> list[str]:
    """Conditions of ``wanted`` of which no member has a training cell, alone or in a combination."""
    trained = set(labelling.vocabulary(labels.iloc[split.train].unique()))
    return [label for label in wanted if trained.isdisjoint(labelling.members(label))]


def split_screen(
    labels: pd.Series, held_out: Sequence[str], *, labelling: Labelling, rng: np.random.Generator
) -> Split:
    """Divide cells into training, validation and test sets, and the controls that no model was fitted to into halves.

    The conditions ``held_out`` are in the test set as a whole; without any, a fraction of the cells of every condition
    is. Predictions start from one half of the controls in the validation and the test set (``start``), and the measured
    change is taken against the other (``reference``). The ``labels`` of the cells are canonical.
    """
    codes = labels.cat.codes.to_numpy().astype(np.int64)
    is_control = (labels == labelling.control).to_numpy()
    tested = labels.isin(held_out).to_numpy()
    fractions = _OF_CONDITIONS if held_out else _OF_CELLS
    parts = []
    for rows, (of_train, of_validation) in ((is_control, _OF_CONTROLS), (~is_control, fractions)):
        cells = np.flatnonzero(rows)
        split = split_cells(
            codes[cells], train_size=of_train, validation_size=of_validation, held_out=tested[cells], rng=rng
        )
        parts.append([cells[part] for part in split.sets])
    train, validation, test = (np.sort(np.concatenate(pair)) for pair in zip(*parts, strict=True))
    unseen = rng.permutation(np.concatenate([cells[is_control[cells]] for cells in (validation, test)]))
    start, reference = (np.sort(half) for half in np.array_split(unseen, 2))
    return Split(train=train, validation=validation, test=test, start=start, reference=reference)
