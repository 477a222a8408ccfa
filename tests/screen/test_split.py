from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._screen._labels import Labelling
from scpi.screen._split import choose_held_out, split_screen, without_training_cells

LABELLING = Labelling.of("control", "+")


def labels(**counts):
    names = [name.replace("_", "+") for name, n in counts.items() for _ in range(n)]
    return pd.Series(pd.Categorical(names))


def test_a_fraction_of_the_combinations_is_held_out():
    screen = labels(control=50, A=20, B=20, C=20, A_B=20, A_C=20, B_C=20, A_B_C=20)
    rng = np.random.default_rng(0)
    held = choose_held_out(screen, "auto", share=0.5, labelling=LABELLING, rng=rng)
    assert len(held) == 2
    assert all("+" in label for label in held)
    assert held == choose_held_out(screen, "auto", share=0.5, labelling=LABELLING, rng=np.random.default_rng(0))


def test_combinations_of_single_effects_that_were_measured_come_first():
    screen = labels(control=50, A=20, B=20, A_B=20, A_X=20, X_Y=20)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert choose_held_out(screen, "auto", share=0.9, labelling=LABELLING, rng=rng) == ["A+B"]


def test_without_combinations_nothing_is_held_out():
    rng = np.random.default_rng(0)
    assert choose_held_out(labels(control=50, A=20), "auto", share=0.5, labelling=LABELLING, rng=rng) == []


def test_chosen_conditions_are_checked():
    screen, rng = labels(control=50, A=20, A_B=20), np.random.default_rng(0)
    assert choose_held_out(screen, ["B+A"], share=0.5, labelling=LABELLING, rng=rng) == ["A+B"]
    with pytest.raises(ValueError, match="A\\+C"):
        choose_held_out(screen, ["A+C"], share=0.5, labelling=LABELLING, rng=rng)
    with pytest.raises(ValueError, match="training needs"):
        choose_held_out(screen, ["control"], share=0.5, labelling=LABELLING, rng=rng)
    with pytest.raises(ValueError, match="held_out_fraction"):
        choose_held_out(screen, "auto", share=1.0, labelling=LABELLING, rng=rng)


def test_held_out_conditions_are_tested_as_a_whole_and_only_they():
    screen = labels(control=100, A=20, B=20, A_B=20)
    split = split_screen(screen, ["A+B"], labelling=LABELLING, rng=np.random.default_rng(0))
    assert np.array_equal(np.sort(np.concatenate(split.sets)), np.arange(160))
    counts = [screen.iloc[part].value_counts().to_dict() for part in split.sets]
    assert counts[0] == {"control": 60, "A": 18, "B": 18, "A+B": 0}
    assert counts[1] == {"control": 10, "A": 2, "B": 2, "A+B": 0}
    assert counts[2] == {"control": 30, "A": 0, "B": 0, "A+B": 20}
    unseen = np.concatenate([split.start, split.reference])
    assert (len(split.start), len(split.reference)) == (20, 20)
    assert set(unseen) == {cell for part in split.sets[1:] for cell in part if cell < 100}


def test_without_held_out_conditions_cells_of_each_are_tested():
    split = split_screen(labels(control=100, A=20), [], labelling=LABELLING, rng=np.random.default_rng(0))
    assert [int((part >= 100).sum()) for part in split.sets] == [14, 2, 4]


def test_conditions_of_which_no_member_has_a_training_cell():
    screen = labels(control=50, A=20, B=20, C=20, B_C=20)
    split = split_screen(screen, ["A", "B", "B+C"], labelling=LABELLING, rng=np.random.default_rng(0))
    assert without_training_cells(screen, split, ["A", "B", "B+C", "A+B", "C"], LABELLING) == ["A", "B", "A+B"]
