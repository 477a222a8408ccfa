from __future__ import annotations

import numpy as np
import pytest

from scpi.de import duplicate_correlation
from scpi.de._duplicate_correlation import _components, _most_likely


def restricted_misfit(squares, sizes, correlation):
    variance = 1.0 - correlation + sizes * correlation
    return np.log(variance).sum(-1) + squares.shape[-1] * np.log((squares / variance).sum(-1))


def test_no_correlation_is_more_likely_with_few_blocks():
    """Few blocks have likelihoods with two maxima, of which one is narrow and near 1 or -1."""
    rng = np.random.default_rng(0)
    everywhere = np.unique(np.concatenate([np.linspace(-0.99, 0.99, 600), np.tanh(np.linspace(-2.64, 2.64, 400))]))
    for _ in range(60):
        block = np.concatenate([np.repeat(np.arange(2), 2), 2 + np.arange(rng.integers(1, 5))])
        design = np.column_stack([np.ones(len(block)), rng.permutation(len(block)) % 2])
        values = rng.normal(size=(len(block), 40)) + 2.0 * rng.normal(size=(block.max() + 1, 40))[block]
        member = (block[:, None] == np.arange(block.max() + 1)).astype(float)
        squares, sizes = _components(values[None], np.linalg.qr(design)[0][None], member[None])
        found = restricted_misfit(squares, sizes, _most_likely(squares, sizes, -0.99)[:, None])
        least = np.min([restricted_misfit(squares, sizes, value) for value in everywhere], axis=0)
        assert (found <= least + 1e-3).all()


@pytest.mark.parametrize("block", [["a"] * 4, list("abcd")])
def test_blocks_have_to_have_and_to_lack_samples_in_common(block):
    with pytest.raises(ValueError, match="two blocks or more, and at least two samples in one of them"):
        duplicate_correlation(np.random.default_rng(0).normal(size=(4, 5)), np.ones((4, 1)), block)
