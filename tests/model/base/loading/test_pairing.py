from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpi.model.base.loading._pairing import PairedBatchSampler


def sampler(sizes, *, controls=40, strata=None, control_strata=None, **kwargs):
    conditions = np.repeat(np.arange(len(sizes)) + 5, sizes)
    perturbed = np.random.default_rng(0).permutation(len(conditions)) + 1000
    pool = np.arange(controls)
    return PairedBatchSampler(
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
            assert batch.perturbed.shape == batch.controls.shape == (len(batch.conditions), n_cells)
            for condition, cells in zip(batch.conditions, batch.perturbed, strict=True):
                real = cells[cells >= 0]
                assert {condition_of[cell] for cell in real} == {condition}
                # Padding comes last.
                assert (cells[len(real) :] == -1).all()
                parts.setdefault(condition, []).append(len(real))
            assert ((batch.controls >= 0) & (batch.controls < 40)).all()
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
    assert any((a.controls != b.controls).any() for a, b in zip(first, second, strict=True))


def test_validation_batches_are_the_same_in_every_epoch():
    batches, _ = sampler([20, 20], n_cells=8, n_parts=2, shuffle=False)
    for one, other in zip(list(batches), list(batches), strict=True):
        np.testing.assert_array_equal(one.perturbed, other.perturbed)
        np.testing.assert_array_equal(one.controls, other.controls)


def test_equal_seeds_give_equal_epochs_and_others_others():
    first, again, other = (sampler([20, 20], n_cells=8, n_parts=2, seed=seed)[0] for seed in (3, 3, 4))
    for _ in range(2):
        one, two, three = list(first), list(again), list(other)
        assert all((a.perturbed == b.perturbed).all() for a, b in zip(one, two, strict=True))
        assert all((a.controls == b.controls).all() for a, b in zip(one, two, strict=True))
        assert any((a.controls != b.controls).any() for a, b in zip(one, three, strict=True))


def test_all_controls_are_drawn_in_the_long_run():
    batches, _ = sampler([32, 32], n_cells=16, n_parts=2)
    drawn = np.concatenate([batch.controls.ravel() for _ in range(20) for batch in batches])
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
        for cells, controls in zip(batch.perturbed, batch.controls, strict=True):
            real = cells >= 0
            for cell, control in zip(cells[real], controls[real], strict=True):
                if stratum_of[cell] == 2:
                    # No control has it: all controls serve.
                    of_third.append(control_strata[control])
                else:
                    assert control_strata[control] == stratum_of[cell]
    assert set(of_third) == {0, 1}


def test_padding_keeps_the_composition_of_the_part():
    batches, _ = sampler([2], strata=np.array([0, 0]), control_strata=np.repeat([0, 1], 20), n_cells=16)
    (batch,) = batches
    assert (batch.controls < 20).all()


def test_there_must_be_controls():
    with pytest.raises(ValueError, match="no control cell"):
        sampler([3], controls=0)
