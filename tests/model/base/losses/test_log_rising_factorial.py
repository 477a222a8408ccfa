from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.model.base.losses._log_rising_factorial import log_rising_factorial, log_rising_factorial_slope

COUNTS = (0, 1, 2, 3, 7, 40, 1000, 100_000)


@pytest.mark.parametrize("theta", [1e-4, 0.01, 0.3, 1.0, 7.0, 300.0, 1e5, 1e7])
def test_it_is_the_sum_of_its_factors(theta):
    factors = [theta + np.arange(count) for count in COUNTS]
    value, slope = [np.log(f).sum() for f in factors], [(1 / f).sum() for f in factors]
    for dtype, tolerance in ((torch.float64, 2e-8), (torch.float32, 2e-6)):
        counts, start = torch.tensor(COUNTS, dtype=dtype), torch.tensor(theta, dtype=dtype)
        # Where the factors cross 1 their logarithms cancel: hence an absolute part
        np.testing.assert_allclose(log_rising_factorial(counts, start), value, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(log_rising_factorial_slope(counts, start), slope, rtol=tolerance)


def test_shapes_go_together():
    counts, theta = torch.tensor([[0.0, 2.0, 5.0], [1.0, 0.0, 4.0]]), torch.tensor([0.5, 1.0, 2.0])
    expected = torch.lgamma(counts + theta) - torch.lgamma(theta)
    torch.testing.assert_close(log_rising_factorial(counts, theta), expected, rtol=1e-5, atol=1e-6)
