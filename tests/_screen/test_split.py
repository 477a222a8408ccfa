from __future__ import annotations

import numpy as np
import pytest

from scpi._screen._split import Split, draw_fraction, split_cells


def counts(strata, cells):
    return np.bincount(strata[cells], minlength=strata.max() + 1).tolist()


def test_every_stratum_is_divided_in_the_given_fractions():
    strata = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [100, 40, 10]))
    split = split_cells(strata, train_size=0.7, validation_size=0.2, rng=np.random.default_rng(1))
    assert counts(strata, split.train) == [70, 28, 7]
    assert counts(strata, split.validation) == [20, 8, 2]
    assert counts(strata, split.test) == [10, 4, 1]
    np.testing.assert_array_equal(np.sort(np.concatenate(split.sets)), np.arange(150))
    assert all((np.diff(cells) > 0).all() for cells in split.sets)


def test_a_split_is_shown_by_its_sizes():
    split = Split(name="A+B", train=np.arange(1200), test=np.arange(30), start=np.arange(5))
    assert repr(split) == "Split('A+B', cells: train 1,200, validation 0, test 30, start 5, reference 0)"


def test_the_division_is_random_and_repeatable():
    strata = np.zeros(50, dtype=int)
    first, again, other = (split_cells(strata, train_size=0.5, rng=np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train, again.train)
    assert set(first.train) != set(other.train)
    assert first.train.tolist() != list(range(25))


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("train_size", [0.05, 0.5, 0.8, 0.9, 1.0])
def test_small_strata_keep_a_training_cell_and_leave_none_over(size, train_size):
    split = split_cells(np.zeros(size, dtype=int), train_size=train_size, rng=np.random.default_rng(0))
    assert len(split.train) == max(1, round(train_size * size))
    assert len(split.train) + len(split.validation) == size
    assert len(split.test) == 0


def test_held_out_cells_are_tested_and_nothing_else():
    strata = np.repeat([0, 1], 10)
    held_out = strata == 1
    held_out[3] = True
    split = split_cells(strata, train_size=0.9, held_out=held_out, rng=np.random.default_rng(0))
    assert split.test.tolist() == [3, *range(10, 20)]
    assert len(split.train) == 8
    assert len(split.validation) == 1


@pytest.mark.parametrize(("train_size", "validation_size"), [(0.0, None), (1.2, 0.0), (0.8, 0.3), (0.5, -0.1)])
def test_sizes_must_be_fractions(train_size, validation_size):
    with pytest.raises(ValueError, match="must be fractions"):
        split_cells(
            np.zeros(4, int), train_size=train_size, validation_size=validation_size, rng=np.random.default_rng()
        )


STRATA = np.array(["a"] * 10 + ["b"] * 4 + ["c"] * 3, dtype=object)


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, [5, 2]), (0.26, [3, 1]), (0.0, [0, 0]), (1.0, [10, 4])])
def test_each_stratum_gives_its_fraction(fraction, expected):
    drawn = draw_fraction(STRATA != "c", STRATA, fraction, np.random.default_rng(0))
    assert [int(drawn[name == STRATA].sum()) for name in "abc"] == [*expected, 0]


def test_every_cell_is_drawn_as_often_as_any_other():
    rng = np.random.default_rng(1)
    often = sum(draw_fraction(STRATA == "a", STRATA, 0.3, rng).astype(int) for _ in range(2000))[:10]
    # Of 2,000 draws of 3 of 10, five standard errors around 600
    assert np.abs(often - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)
