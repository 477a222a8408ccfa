from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scpi.tl._classifier import train_classifier


@pytest.fixture(scope="module")
def cells():
    """Three groups of unequal size, each of which raises five genes; some cells are in none."""
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat([0, 1, 2, -1], [100, 50, 20, 30]))
    rate = np.full((200, 30), 2.0)
    for group in range(3):
        rate[codes == group, 5 * group : 5 * group + 5] *= 4.0
    rate *= rng.lognormal(0.0, 0.4, (200, 1))
    return sparse.csr_matrix(rng.poisson(rate).astype(np.float32)), codes


@pytest.fixture(scope="module")
def target(cells):
    return train_classifier(*cells, ["a", "b", "c"], seed=0)


def logits(target, counts):
    return target.function(target.transform(torch.from_numpy(counts.toarray()))).numpy()


def test_groups_of_any_size_are_told_apart(target, cells):
    counts, codes = cells
    assert list(target.names) == ["a", "b", "c"]
    found = logits(target, counts).argmax(axis=1)
    assert min((found[codes == group] == group).mean() for group in range(3)) > 0.9


def test_depth_alone_changes_little(target, cells):
    counts, codes = cells
    found = logits(target, 3 * counts).argmax(axis=1)
    assert (found == codes)[codes >= 0].mean() > 0.9


def test_the_function_is_its_head_after_the_projection(target, cells):
    x = target.transform(torch.from_numpy(cells[0][:5].toarray()))
    torch.testing.assert_close(target.function(x), target.head(x @ target.projection))


def test_cells_without_a_group_do_not_matter(target, cells):
    counts, codes = cells
    other = counts.toarray()
    other[codes < 0] = 99.0
    again = train_classifier(sparse.csr_matrix(other), codes, ["a", "b", "c"], seed=0)
    np.testing.assert_allclose(logits(again, counts), logits(target, counts), rtol=1e-4, atol=1e-4)


def test_the_seed_decides_and_the_state_of_torch_stays(target, cells):
    before = torch.get_rng_state()
    other = train_classifier(*cells, ["a", "b", "c"], seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert not np.allclose(logits(other, cells[0]), logits(target, cells[0]), atol=1e-3)
