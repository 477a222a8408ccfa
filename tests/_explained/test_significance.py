"""P-values from null models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi._explained._significance import p_values


class Known:
    """Statistics that are given, and a null that is normal."""

    def __init__(self, observed, *, pooled):
        self.is_pooled, self._observed = pooled, {"a": np.asarray(observed)}

    def observed(self):
        return self._observed

    def null(self, n, rng):
        for _ in range(n // 10):
            yield {"a": rng.normal(size=(10, len(self._observed["a"])))}


def test_a_p_value_is_a_rank_among_the_draws():
    class Counted(Known):
        def null(self, n, rng):
            yield {"a": np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 7.0]])}

    assert p_values(Counted([2.0, 6.0], pooled=False), 3, np.random.default_rng(0))["a"].tolist() == [0.75, 0.5]
    # Of all six draws, five are at least 2, and one at least 6
    found = p_values(Counted([2.0, 6.0], pooled=True), 3, np.random.default_rng(0))["a"]
    np.testing.assert_allclose(found, [6 / 7, 2 / 7])


@pytest.mark.parametrize("pooled", [True, False])
def test_p_values_are_uniform_under_the_null(pooled):
    rng = np.random.default_rng(1)
    found = p_values(Known(rng.normal(size=400), pooled=pooled), 200, rng)["a"]
    assert stats.kstest(found, "uniform").pvalue > 0.01
