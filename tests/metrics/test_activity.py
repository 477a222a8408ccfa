from __future__ import annotations

import math

import numpy as np
import pytest

from scpi.metrics import dar, hits_at_n


def test_dar_by_hand():
    effect = np.array([[2.0, -4.0, 1.0, -1.0], [1.0, np.nan, 2.0, 3.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    mask = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
    np.testing.assert_allclose(dar(effect, mask), [3.0, 1.0, np.inf, np.nan])
    assert dar(effect[0], mask[0]) == 3.0
    assert math.isnan(dar(effect[0], np.ones(4, dtype=bool)))


def test_dar_is_one_without_an_effect():
    rng = np.random.default_rng(0)
    values = dar(rng.normal(size=(200, 500)), rng.random((200, 500)) < 0.1)
    assert np.mean(values) == pytest.approx(1.0, abs=4 * np.std(values) / np.sqrt(200) + 0.01)


def test_hits_by_hand():
    score = np.array([[0.1, -5.0, 3.0, np.nan], [4.0, 3.0, 2.0, 1.0]])
    mask = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], dtype=bool)
    np.testing.assert_allclose(hits_at_n(score, mask, 1), [1 / 3, np.nan])
    np.testing.assert_allclose(hits_at_n(score, mask, 3), [2 / 3, np.nan])
    np.testing.assert_allclose(hits_at_n(score, mask), [1.0, np.nan])
    assert hits_at_n(score[0], mask[0], 2) == pytest.approx(1 / 3)


def test_hits_of_chance():
    rng = np.random.default_rng(1)
    values = hits_at_n(rng.normal(size=(300, 100)), rng.random((300, 100)) < 0.2, n=25)
    assert np.mean(values) == pytest.approx(0.25, abs=4 * np.std(values) / np.sqrt(300))


def test_bad_input():
    for function in (dar, hits_at_n):
        with pytest.raises(ValueError, match="boolean"):
            function([1.0], [1])
        with pytest.raises(ValueError, match="of shape"):
            function([1.0, 2.0], [True])
    with pytest.raises(ValueError, match="at least 1"):
        hits_at_n([1.0], [True], 0)
