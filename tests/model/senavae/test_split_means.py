from __future__ import annotations

import numpy as np
import pytest

from scpi.model.senavae._split_means import folds, group_cells, halves, split_means


def test_halves_are_complementary_and_random():
    inside = halves(7, 200, np.random.default_rng(0))
    assert (inside.sum(1) == 3).all()
    assert inside.mean(0) == pytest.approx(np.full(7, 3 / 7), abs=0.1)
    np.testing.assert_array_equal(inside, halves(7, 200, np.random.default_rng(0)))


def test_each_cell_is_left_out_of_one_fold_of_each_repeat():
    inside = folds(13, 5, 2, np.random.default_rng(0)).reshape(2, 5, 13)
    assert ((~inside).sum(1) == 1).all()
    assert np.sort((~inside).sum(2)).tolist() == [[2, 2, 3, 3, 3]] * 2
    assert (inside[0] != inside[1]).any()


def test_means_are_those_of_the_cells(monkeypatch):
    monkeypatch.setattr("scpi.model.senavae._split_means._BLOCK", 4)
    rng = np.random.default_rng(1)
    x, cells, read = rng.normal(size=(30, 3)).astype(np.float32), rng.permutation(30)[:17], []

    def expression(own):
        read.append(own)
        return x[own]

    groups, inside = [cells[:11], cells[11:]], [halves(11, 6, rng), halves(6, 6, rng)]
    means = split_means(expression, groups, inside)
    assert means.shape == (6, 2, 2, 3)
    for group, (own, splits) in enumerate(zip(groups, inside, strict=True)):
        for split, (first, second) in zip(splits, means[:, :, group], strict=True):
            np.testing.assert_allclose(first, x[own[split]].mean(0), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(second, x[own[~split]].mean(0), rtol=1e-5, atol=1e-6)
    # Cells of a condition may stand anywhere in a file, which is read once
    np.testing.assert_array_equal(np.concatenate(read), np.sort(cells))


def test_groups_are_conditions_of_contexts_with_controls():
    #  context 0: control twice (two codes), A, and B once; context 1: no control; context 2: control and B
    context = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
    condition = np.array([0, 3, 1, 1, 2, 1, 1, 0, 0, 2, 2])
    is_control = np.isin(condition, [0, 3])
    design = np.array([[0, 0], [1, 0], [0, 2], [0, 0]])
    groups = group_cells(
        np.arange(100, 111), context=context, condition=condition, is_control=is_control, design=design
    )
    assert [cells.tolist() for cells in groups.cells] == [[100, 101], [102, 103], [107, 108], [109, 110]]
    assert groups.is_control.tolist() == [True, False, True, False]
    assert groups.design.tolist() == [[0, 0], [1, 0], [0, 0], [0, 2]]
    assert groups.control_of().tolist() == [0, 0, 2, 2]
    assert groups.size.tolist() == [2, 2, 2, 2]
    assert not group_cells(
        np.arange(11), context=context, condition=condition, is_control=is_control, design=design, at_least=3
    ).cells
