from __future__ import annotations

import numpy as np
import pytest

from scpi.de._weighted_lowess import weighted_lowess_curve


@pytest.mark.parametrize("n", [150, 5000])
def test_a_line_is_its_own_curve(n):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    corners, heights = weighted_lowess_curve(x, 2.0 - 3.0 * x, rng.uniform(1, 5, n), span=0.3)
    np.testing.assert_allclose(heights, 2.0 - 3.0 * corners, atol=1e-9)
    assert (corners[0], corners[-1]) == (x.min(), x.max()) and len(corners) <= 201


def test_an_outlier_is_ignored_and_a_point_of_little_weight_counts_little():
    x = np.arange(40.0)
    y = np.sin(x / 10)
    y[20] = 50.0
    corners, heights = weighted_lowess_curve(x, y, np.ones(40), span=0.3)
    np.testing.assert_allclose(heights, np.sin(corners / 10), atol=0.1)
    light = np.where(x == 20, 1e-9, 1.0)
    np.testing.assert_allclose(weighted_lowess_curve(x, y, light, span=0.3)[1], np.sin(x / 10), atol=0.1)


def test_ties_and_equal_values():
    x = np.repeat([0.0, 1.0, 2.0], 4)
    corners, heights = weighted_lowess_curve(x, x**2, np.ones(12), span=0.2)
    np.testing.assert_allclose(corners, [0, 1, 2])
    np.testing.assert_allclose(heights, [0, 1, 4], atol=1e-9)
