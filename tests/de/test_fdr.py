from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.de import false_discovery_control


def test_each_row_is_a_family():
    pval = np.random.default_rng(0).random((3, 20)) ** 3
    adjusted = false_discovery_control(pval)
    for row, expected in zip(adjusted, pval, strict=True):
        np.testing.assert_allclose(row, stats.false_discovery_control(expected))
    np.testing.assert_allclose(
        false_discovery_control(pval, axis=None).ravel(), stats.false_discovery_control(pval.ravel())
    )


def test_benjamini_hochberg_by_hand():
    np.testing.assert_allclose(false_discovery_control([0.01, 0.04, 0.03, 0.005]), [0.02, 0.04, 0.04, 0.02])


def test_what_was_not_tested_does_not_count():
    adjusted = false_discovery_control([[0.01, np.nan, 0.04], [np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(adjusted, [[0.02, np.nan, 0.04], [np.nan] * 3])


def test_the_false_discovery_rate_is_controlled():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 200))
    z[:, :40] += 3.0
    found = false_discovery_control(2 * stats.norm.sf(np.abs(z))) < 0.1
    rate = found[:, 40:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    assert 0.06 < rate.mean() < 0.1


def test_a_p_value_is_between_zero_and_one():
    with pytest.raises(ValueError, match="0.* and 1"):
        false_discovery_control([0.5, 1.5])
