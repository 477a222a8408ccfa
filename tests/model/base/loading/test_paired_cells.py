from __future__ import annotations

import numpy as np
import pytest

from scpi.model.base.loading._paired_cells import PairedCells, pair_conditions
from scpi.model.base.loading._transport import CellPairs

# Two contexts far apart, three controls each, and two conditions that move cells by a little; rows are shuffled
CONTEXT = np.array([1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0])
CONDITION = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 1, 2])
X = np.column_stack([100.0 * CONTEXT + 0.1 * CONDITION, np.arange(12) % 6]).astype(np.float32)


@pytest.mark.parametrize("each", ["control", "treated"])
def test_pairs_stay_in_their_context_and_condition_wherever_rows_lie(each):
    control, treated = np.flatnonzero(CONDITION == 0), np.flatnonzero(CONDITION > 0)
    pairs = pair_conditions(X, control, treated, CONDITION[treated], CONTEXT, each=each, n_components=None)
    assert (CONDITION[pairs.source] == 0).all() and (CONDITION[pairs.target] > 0).all()
    np.testing.assert_array_equal(CONTEXT[pairs.source], CONTEXT[pairs.target])
    if each == "treated":
        np.testing.assert_array_equal(np.sort(pairs.target), treated)
    else:
        # Every control has one partner in each of both conditions of its context
        counted = {(int(s), int(CONDITION[t])) for s, t in zip(*pairs, strict=True)}
        assert len(pairs.source) == len(counted) == 12


class Rows:
    """Stands for cells: a row says where it comes from."""

    def __init__(self):
        self.read = 0

    def __getitem__(self, index):
        import torch

        self.read += 1
        where = torch.from_numpy(index)
        return {"X": where, "perturbation": where[:, None] * 10, "design": where[:, None] * 100}


def test_a_batch_has_both_sides_and_the_condition_of_the_target():
    rows = Rows()
    batch = PairedCells(rows, CellPairs(np.array([4, 5, 6]), np.array([7, 8, 9])))[np.array([2, 0])]
    assert batch["X"].tolist() == [6, 4] and batch["X_perturbed"].tolist() == [9, 7]
    assert batch["perturbation"].tolist() == [90, 70] and batch["design"].tolist() == [[900], [700]]
    # Cells that are their own targets are read once
    rows.read = 0
    PairedCells(rows, CellPairs(np.array([4, 5]), np.array([4, 5])))[np.array([0])]
    assert rows.read == 1
