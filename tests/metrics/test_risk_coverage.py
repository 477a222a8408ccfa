"""Risk of the surest predictions."""

from __future__ import annotations

import numpy as np
import pytest

from scpi.metrics import risk_coverage


def test_the_least_sure_are_dropped_first():
    curve = risk_coverage([0.2, 0.9, 0.5, 0.5], [8.0, 1.0, 2.0, 4.0])
    # Two predictions of one confidence are kept together
    np.testing.assert_allclose(curve.coverage, [0.25, 0.75, 1.0])
    np.testing.assert_allclose(curve.risk, [1.0, 7.0 / 3.0, 15.0 / 4.0])
    assert curve.area == pytest.approx(0.25 * 1.0 + 0.5 * 7.0 / 3.0 + 0.25 * 15.0 / 4.0)


def test_the_area_is_smallest_where_confidence_orders_the_risk():
    rng = np.random.default_rng(0)
    risk = rng.gamma(1.0, size=50)
    best, worst = risk_coverage(-risk, risk).area, risk_coverage(risk, risk).area
    assert all(best <= risk_coverage(rng.random(50), risk).area <= worst for _ in range(50))


def test_one_confidence_is_one_point():
    curve = risk_coverage(np.ones(5), np.arange(5.0))
    assert (curve.coverage.tolist(), curve.risk.tolist(), curve.area) == ([1.0], [2.0], 2.0)


@pytest.mark.parametrize(
    ("confidence", "risk", "message"),
    [
        ([], [], "same length"),
        ([1.0], [1.0, 2.0], "shapes are"),
        ([np.nan], [1.0], "finite"),
        ([1.0], [np.inf], "finite"),
    ],
)
def test_what_is_refused(confidence, risk, message):
    with pytest.raises(ValueError, match=message):
        risk_coverage(confidence, risk)
