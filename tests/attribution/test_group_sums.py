from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.attribution._group_sums import GroupSums, members

CODES = np.array([2, 0, 2, 0, 0])


def test_members_are_ones_of_the_type_of_the_values():
    found = members(CODES, 4, torch.zeros(1, dtype=torch.float16))
    assert found.dtype == torch.float16
    np.testing.assert_array_equal(found.numpy(), np.arange(4)[:, None] == CODES)


@pytest.mark.parametrize("parts", [[5], [2, 3], [1, 1, 1, 1, 1]])
@pytest.mark.parametrize("at_once", [False, True])
def test_means_do_not_depend_on_batches_nor_on_the_way_they_are_added(parts, at_once):
    values = np.random.default_rng(0).normal(size=(2, 5, 3))
    sums = GroupSums(3, 2)
    for rows in np.split(np.arange(5), np.cumsum(parts)[:-1]):
        part = torch.from_numpy(values[:, rows])
        member = members(CODES[rows], 3, part)
        if at_once:
            sums.add(slice(None), part, member)
        else:
            for output in range(2):
                sums.add(output, part[output], member)
    found = sums.mean(np.bincount(CODES, minlength=3))
    for group in (0, 2):
        np.testing.assert_allclose(found[group], values[:, group == CODES].mean(axis=1), rtol=1e-12)
    assert np.isnan(found[1]).all()


def test_sums_are_kept_in_double_precision():
    sums = GroupSums(1, 1)
    for value in (1e8, 1.0, 1.0, 1.0, 1.0):
        batch = torch.full((1, 1), value)
        sums.add(0, batch, members(np.zeros(1, dtype=int), 1, batch))
    # In single precision each of the small ones would be lost
    assert sums.mean(np.array([1]))[0, 0, 0] == 1e8 + 4


def test_a_linear_map_comes_last():
    sums, x = GroupSums(1, 1), torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    sums.add(0, x, members(np.zeros(2, dtype=int), 1, x))
    np.testing.assert_allclose(sums.mean(np.array([2]), lambda mean: mean @ torch.ones(2, 1)), [[[6.0]]])
