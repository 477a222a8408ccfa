from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpi.model.base.loading._samplers import (
    CellSampler,
    ControlSampler,
    PairSampler,
    StoredCellSampler,
    StoredControlSampler,
    StoredPairSampler,
    windows_of,
)
from scpi.model.base.loading._transport import CellPairs


def sampler(sizes, *, controls=40, strata=None, control_strata=None, **kwargs):
    conditions = np.repeat(np.arange(len(sizes)) + 5, sizes)
    perturbed = np.random.default_rng(0).permutation(len(conditions)) + 1000
    pool = np.arange(controls)
    return ControlSampler(
        perturbed,
        conditions,
        pool,
        perturbed_strata=np.zeros(len(perturbed), int) if strata is None else strata,
        control_strata=np.zeros(controls, int) if control_strata is None else control_strata,
        **kwargs,
    ), dict(zip(perturbed, conditions, strict=True))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    n_cells=st.integers(1, 16),
    n_parts=st.integers(1, 5),
    shuffle=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_cell_is_seen_once_an_epoch(sizes, n_cells, n_parts, shuffle):
    batches, condition_of = sampler(sizes, n_cells=n_cells, n_parts=n_parts, shuffle=shuffle)
    for _ in range(2):
        epoch = list(batches)
        assert len(epoch) == len(batches)
        seen = np.concatenate([batch.perturbed[batch.perturbed >= 0] for batch in epoch])
        assert sorted(seen) == sorted(condition_of)
        parts = {}
        for batch in epoch:
            assert len(batch.conditions) <= n_parts
            assert batch.perturbed.shape == batch.cells.shape == (len(batch.conditions) * n_cells,)
            for condition, cells in zip(batch.conditions, batch.perturbed.reshape(-1, n_cells), strict=True):
                real = cells[cells >= 0]
                assert {condition_of[cell] for cell in real} == {condition}
                # Padding comes last.
                assert (cells[len(real) :] == -1).all()
                parts.setdefault(condition, []).append(len(real))
            assert ((batch.cells >= 0) & (batch.cells < 40)).all()
        for index, size in enumerate(sizes):
            chunks = parts[index + 5]
            # Parts are as few as can be, and of nearly equal size: no tail of one cell beside full parts.
            assert len(chunks) == -(-size // n_cells)
            assert max(chunks) - min(chunks) <= 1


def test_all_batches_but_the_last_are_full():
    batches, _ = sampler([30, 30, 30], n_cells=10, n_parts=4)
    assert [len(batch.conditions) for batch in batches] == [4, 4, 1]


def test_epochs_differ_in_order_and_controls_where_shuffled():
    batches, _ = sampler([20, 20], n_cells=8, n_parts=2)
    first, second = list(batches), list(batches)
    assert any((a.perturbed != b.perturbed).any() for a, b in zip(first, second, strict=True))
    assert any((a.cells != b.cells).any() for a, b in zip(first, second, strict=True))


def test_validation_batches_are_the_same_in_every_epoch():
    batches, _ = sampler([20, 20], n_cells=8, n_parts=2, shuffle=False)
    for one, other in zip(list(batches), list(batches), strict=True):
        np.testing.assert_array_equal(one.perturbed, other.perturbed)
        np.testing.assert_array_equal(one.cells, other.cells)


def test_equal_seeds_give_equal_epochs_and_others_others():
    first, again, other = (sampler([20, 20], n_cells=8, n_parts=2, seed=seed)[0] for seed in (3, 3, 4))
    for _ in range(2):
        one, two, three = list(first), list(again), list(other)
        assert all((a.perturbed == b.perturbed).all() for a, b in zip(one, two, strict=True))
        assert all((a.cells == b.cells).all() for a, b in zip(one, two, strict=True))
        assert any((a.cells != b.cells).any() for a, b in zip(one, three, strict=True))


def test_all_controls_are_drawn_in_the_long_run():
    batches, _ = sampler([32, 32], n_cells=16, n_parts=2)
    drawn = np.concatenate([batch.cells.ravel() for _ in range(20) for batch in batches])
    assert set(drawn) == set(range(40))
    # 20 x 64 draws from 40: 32 each in the mean, with a standard deviation of 5.6.
    assert np.abs(np.bincount(drawn) - 32).max() < 5 * 5.6


def test_controls_are_of_the_stratum_of_the_cell_beside_them():
    strata = np.tile([0, 1, 2], 20)
    control_strata = np.repeat([0, 1], 20)
    batches, _ = sampler([60], strata=strata, control_strata=control_strata, n_cells=7, n_parts=3)
    stratum_of = dict(zip(np.random.default_rng(0).permutation(60) + 1000, strata, strict=True))
    of_third = []
    for batch in batches:
        real = batch.perturbed >= 0
        for cell, control in zip(batch.perturbed[real], batch.cells[real], strict=True):
            if stratum_of[cell] == 2:
                # No control has it: all controls serve.
                of_third.append(control_strata[control])
            else:
                assert control_strata[control] == stratum_of[cell]
    assert set(of_third) == {0, 1}


def test_padding_keeps_the_composition_of_the_part():
    batches, _ = sampler([2], strata=np.array([0, 0]), control_strata=np.repeat([0, 1], 20), n_cells=16)
    (batch,) = batches
    assert (batch.cells < 20).all()


def test_there_must_be_controls():
    with pytest.raises(ValueError, match="no control cell"):
        sampler([3], controls=0)


class TestCellSampler:
    @pytest.mark.parametrize(
        ("n_cells", "batch_size", "sizes"), [(41, 40, {20, 21}), (3, 2, {3}), (100, 30, {25}), (1, 8, {1})]
    )
    def test_batches_are_of_nearly_the_same_size(self, n_cells, batch_size, sizes):
        batches = CellSampler(np.arange(n_cells) + 7, batch_size=batch_size, shuffle=True, seed=0)
        first, second = ([batch.cells for batch in batches] for _ in range(2))
        assert {len(cells) for cells in first} == sizes
        assert len(batches) == len(first)
        np.testing.assert_array_equal(np.sort(np.concatenate(first)), np.arange(n_cells) + 7)
        assert n_cells < 10 or not np.array_equal(np.concatenate(first), np.concatenate(second))

    def test_epochs_come_back_with_the_seed(self):
        one, same, other = (CellSampler(np.arange(30), batch_size=8, shuffle=True, seed=seed) for seed in (5, 5, 6))
        for _ in range(2):
            first, again, different = (np.concatenate([batch.cells for batch in each]) for each in (one, same, other))
            np.testing.assert_array_equal(first, again)
            assert (first != different).any()

    def test_without_shuffling_cells_stay_in_order(self):
        batches = CellSampler(np.array([5, 3, 9, 1]), batch_size=2, shuffle=False, seed=0)
        for _ in range(2):
            assert [batch.cells.tolist() for batch in batches] == [[5, 3], [9, 1]]


class TestStoredCellSampler:
    CELLS = np.delete(np.arange(500), np.arange(0, 500, 7))

    def batches(self, **options):
        return StoredCellSampler(
            self.CELLS, **({"run": 10, "n_together": 60, "batch_size": 16, "shuffle": True} | options)
        )

    def test_every_cell_comes_once_per_epoch_in_another_order(self):
        sampler = self.batches(seed=0)
        first, second = (np.concatenate([batch.cells for batch in sampler]) for _ in range(2))
        assert (first != second).any()
        for epoch in (first, second):
            np.testing.assert_array_equal(np.sort(epoch), self.CELLS)
        again = np.concatenate([batch.cells for batch in self.batches(seed=0)])
        np.testing.assert_array_equal(first, again)

    def test_a_batch_is_among_the_cells_that_are_read_together(self):
        batches = list(self.batches(seed=0))
        assert len(batches) == len(CellSampler(self.CELLS, batch_size=16, shuffle=True, seed=0))
        for batch in batches:
            assert np.isin(batch.cells, batch.together).all()
            assert (np.diff(batch.together) > 0).all()
        held = {id(batch.together): batch.together for batch in batches}
        np.testing.assert_array_equal(np.sort(np.concatenate(list(held.values()))), self.CELLS)
        assert max(map(len, held.values())) <= 60

    def test_few_runs_of_neighbours_are_read_and_mixed(self):
        for batch in list(self.batches(seed=3)):
            # Cells of three batches are of about as many runs as they fill, and a batch has cells of several
            assert len(np.unique(batch.together // 10)) <= 48 / 8 + 2
            assert len(np.unique(batch.cells // 10)) >= 3

    def test_without_shuffling_cells_stay_in_order(self):
        order = np.concatenate([batch.cells for batch in self.batches(seed=0, shuffle=False)])
        np.testing.assert_array_equal(order, self.CELLS)


class TestPairSampler:
    PAIRS = CellPairs(np.arange(40), np.arange(40) + 100)

    def test_pairs_stay_together_and_each_comes_once(self):
        batches = PairSampler(self.PAIRS, batch_size=12, shuffle=True, seed=0)
        epoch = list(batches)
        assert [len(batch.cells) for batch in epoch] == [10] * 4
        assert all((batch.perturbed - batch.cells == 100).all() for batch in epoch)
        assert sorted(np.concatenate([batch.cells for batch in epoch])) == list(range(40))

    def test_some_of_the_pairs_are_drawn_anew_for_every_epoch(self):
        batches = PairSampler(self.PAIRS, n_drawn=10, batch_size=5, shuffle=True, seed=0)
        assert len(batches) == 2
        epochs = [set(np.concatenate([batch.cells for batch in batches]).tolist()) for _ in range(30)]
        assert {len(epoch) for epoch in epochs} == {10}
        assert set.union(*epochs) == set(range(40))

    def test_no_more_pairs_are_drawn_than_there_are(self):
        batches = PairSampler(self.PAIRS, n_drawn=100, batch_size=40, shuffle=True, seed=0)
        assert [len(batch.cells) for batch in batches] == [40]


@pytest.mark.parametrize("n_controls", [5, 8, 100])
def test_a_control_is_once_in_a_part_where_there_are_enough(n_controls):
    zeros = np.zeros(20, dtype=np.int64)
    controls = np.arange(100, 100 + n_controls)
    sampler = ControlSampler(
        np.arange(20), zeros, controls, perturbed_strata=zeros, control_strata=zeros[:1].repeat(n_controls), n_cells=8
    )
    for batch in sampler:
        for part in batch.cells.reshape(-1, 8):
            assert len(np.unique(part)) == min(n_controls, 8) or n_controls < 8


class TestWindows:
    CELLS = np.delete(np.arange(400), np.arange(0, 400, 3))

    def test_cells_of_a_run_are_in_one_window_and_windows_are_of_nearly_the_same_size(self):
        windows = windows_of(self.CELLS, run=10, n_cells=60, rng=np.random.default_rng(0))
        for run in np.unique(self.CELLS // 10):
            assert len(np.unique(windows[run == self.CELLS // 10])) == 1
        sizes = np.bincount(windows)
        assert (sizes[:-1] > 60 - 7).all() and (sizes <= 60 + 7).all()

    def test_without_a_generator_windows_follow_each_other(self):
        windows = windows_of(self.CELLS, run=10, n_cells=60, rng=None)
        assert (np.diff(windows) >= 0).all() and windows[0] == 0

    def test_order_of_the_cells_does_not_matter(self):
        order = np.random.default_rng(1).permutation(len(self.CELLS))
        one, other = (windows_of(x, run=10, n_cells=60, rng=None) for x in (self.CELLS, self.CELLS[order]))
        np.testing.assert_array_equal(one[order], other)


class TestStoredControlSampler:
    """200 cells of three conditions, and 100 controls of two strata, in a file in random order."""

    PLACES = np.random.default_rng(0).permutation(300)
    PERTURBED, CONTROLS = PLACES[:200], np.sort(PLACES[200:])
    CONDITIONS = np.arange(200) % 3
    STRATUM = np.arange(300) % 2

    def sampler(self, **options):
        windows = windows_of(self.PERTURBED, run=10, n_cells=50, rng=np.random.default_rng(0))
        options = {"n_cells": 5, "n_parts": 3, "seed": 0} | options
        return StoredControlSampler(
            self.PERTURBED,
            self.CONDITIONS,
            self.CONTROLS,
            perturbed_strata=self.STRATUM[self.PERTURBED],
            control_strata=self.STRATUM[self.CONTROLS],
            windows=windows,
            run=10,
            **options,
        ), dict(zip(self.PERTURBED.tolist(), windows.tolist(), strict=True))

    def test_every_cell_is_seen_once_an_epoch_beside_a_control_of_its_stratum(self):
        batches, _ = self.sampler()
        condition_of = dict(zip(self.PERTURBED, self.CONDITIONS, strict=True))
        for _ in range(2):
            epoch = list(batches)
            assert len(epoch) == len(batches)
            seen = np.concatenate([batch.perturbed[batch.perturbed >= 0] for batch in epoch])
            assert sorted(seen) == sorted(self.PERTURBED)
            for batch in epoch:
                real = batch.perturbed >= 0
                np.testing.assert_array_equal(self.STRATUM[batch.cells[real]], self.STRATUM[batch.perturbed[real]])
                of_part = np.repeat(batch.conditions, 5)[real]
                np.testing.assert_array_equal([condition_of[cell] for cell in batch.perturbed[real]], of_part)
                assert set(batch.cells) <= set(self.CONTROLS)

    def test_a_batch_is_of_one_window_whose_cells_are_read_at_once(self):
        batches, window_of = self.sampler()
        for _, group in _by_identity(list(batches)):
            perturbed = np.concatenate([batch.perturbed[batch.perturbed >= 0] for batch in group])
            assert len({window_of[cell] for cell in perturbed.tolist()}) == 1
            together = np.unique(np.concatenate([perturbed, *(batch.cells for batch in group)]))
            np.testing.assert_array_equal(group[0].together, together)
            # As many controls as perturbed cells, and a run more for each stratum
            assert len(together) <= 2 * len(perturbed) + 2 * 10

    def test_controls_are_others_in_the_next_epoch_unless_it_is_validation(self):
        for shuffle in (True, False):
            batches, _ = self.sampler(shuffle=shuffle)
            first, second = (np.concatenate([batch.cells for batch in batches]) for _ in range(2))
            assert np.array_equal(first, second) != shuffle


def _by_identity(batches):
    """Batches in a row that are read at once."""
    groups = []
    for batch in batches:
        if not groups or groups[-1][0] is not batch.together:
            groups.append((batch.together, []))
        groups[-1][1].append(batch)
    return groups


def test_cells_that_are_not_in_memory_are_paired_with_themselves():
    cells = np.arange(0, 300, 3)
    batches = StoredPairSampler(cells, run=10, n_together=40, batch_size=8, shuffle=True, seed=0)
    seen = list(batches)
    assert all(batch.cells is batch.perturbed for batch in seen)
    np.testing.assert_array_equal(np.sort(np.concatenate([batch.cells for batch in seen])), cells)
    assert max(len(group[0].together) for _, group in _by_identity(seen)) <= 40
    np.testing.assert_array_equal(batches.pairs.source, batches.pairs.target)
