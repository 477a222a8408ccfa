from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from scpi.model.base._constants import KEYS
from scpi.model.base.loading._splitter import CellSplitter
from scpi.model.scpregan._sampling import DomainSampler, StoredDomainSampler, both_domains


def cells_of(sampler):
    """Cells of each step of an epoch."""
    return np.stack([batch.cells for batch in sampler])


class TestSampler:
    def test_a_step_has_both_domains_in_both_halves(self):
        control, treated = np.arange(50), np.arange(100, 120)
        sampler = DomainSampler(control, treated, batch_size=4, seed=0)
        steps = [batch.cells for batch in sampler]
        assert len(steps) == len(sampler) == 7
        for step in steps:
            assert [set(part // 100) for part in np.split(step, 4)] == [{0}, {1}, {0}, {1}]

    def test_an_epoch_uses_every_cell_as_often_as_any_other_of_its_domain(self):
        control, treated = np.arange(48), np.arange(100, 120)
        drawn = np.concatenate([batch.cells for batch in DomainSampler(control, treated, batch_size=4, seed=0)])
        used, times = np.unique(drawn, return_counts=True)
        np.testing.assert_array_equal(used, np.concatenate([control, treated]))
        assert set(times[:48]) == {1}
        assert set(times[48:]) == {2, 3}
        # The halves of a step have other cells
        for step, *_ in DomainSampler(control, treated, batch_size=4, seed=0):
            assert not set(step[:4]) & set(step[8:12])

    def test_few_cells_fill_a_step(self):
        ((step, *_),) = DomainSampler(np.arange(3), np.arange(10, 12), batch_size=4, seed=0)
        assert set(step[:4]) == {0, 1, 2}
        assert set(step[4:8]) == {10, 11}

    def test_epochs_differ_and_come_back_with_the_seed(self):
        one, same, other = (DomainSampler(np.arange(40), np.arange(50, 90), batch_size=5, seed=s) for s in (0, 0, 1))
        first, second = cells_of(one), cells_of(one)
        assert (first != second).any()
        np.testing.assert_array_equal(cells_of(same), first)
        np.testing.assert_array_equal(cells_of(same), second)
        assert (cells_of(other) != first).any()


class TestSplitter:
    def test_cells_at_dose_zero_are_controls(self, screen, build):
        adata = screen()
        model = build(adata, setup={"dose_key": "dose"})
        splitter = CellSplitter(model.adata_manager, partial(both_domains, batch_size=8), seed=0)
        for batch in splitter.train_dataloader():
            perturbed = batch[KEYS.DESIGN].any(1).chunk(4)
            assert [bool(part.any()) for part in perturbed] == [False, True, False, True]
            assert all(bool(part.all()) for part in perturbed[1::2])

    def test_doses_of_zero_alone_are_refused(self, screen, build, train):
        adata = screen()
        adata.obs["dose"] = 0.0
        with pytest.raises(ValueError, match="has dose 0"):
            train(build(adata, setup={"dose_key": "dose"}))

    def test_a_screen_without_treated_training_cells_is_refused(self, build, train):
        with pytest.raises(ValueError, match="no perturbed cell in the training set"):
            train(build(), held_out="A")


def test_cells_that_are_not_in_memory_are_read_in_runs():
    control, treated = np.arange(0, 2000, 2), np.arange(1, 1000, 2)
    sampler = StoredDomainSampler(control, treated, run=50, n_together=200, batch_size=5, seed=0)
    steps = list(sampler)
    for step in steps:
        assert [set(part % 2) for part in np.split(step.cells, 4)] == [{0}, {1}, {0}, {1}]
        assert np.isin(step.cells, step.together).all()
        # Half of them are of each domain, of whole runs but for those at the ends
        assert len(step.together) <= 200
        assert len(np.unique(step.together // 50)) <= 2 * (100 // 25 + 2)
    used, times = np.unique(np.concatenate([step.cells for step in steps]), return_counts=True)
    np.testing.assert_array_equal(used, np.sort(np.concatenate([control, treated])))
    assert set(times[used % 2 == 0]) == {1} and set(times[used % 2 == 1]) == {2}
