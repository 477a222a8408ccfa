from __future__ import annotations

import numpy as np
import pytest

from scpi.metrics import bound_discrimination, dynamic_range_fraction


def test_the_fraction_of_the_range_that_a_replicate_reaches():
    assert dynamic_range_fraction(0.8, 0.2, perfect=1.0) == pytest.approx(0.75, abs=1e-5)
    # An error: from 4 without knowledge to 1 of a replicate, where 0 is perfect
    assert dynamic_range_fraction(1.0, 4.0, perfect=0.0, higher_is_better=False) == pytest.approx(0.75, abs=1e-5)


def test_values_are_cut_off_and_missing_where_there_is_no_range():
    positive = [0.5, -3.0, 0.5, np.nan, 0.5, 1.0]
    negative = [0.6, 0.9, 1.1, 0.0, np.nan, 1.0]
    found = dynamic_range_fraction(positive, negative, perfect=1.0)
    np.testing.assert_allclose(found, [-0.25, -1.0, np.nan, np.nan, np.nan, 0.0], atol=1e-5)
    # An unbiased distance of what is measured may be negative
    assert np.isnan(dynamic_range_fraction(0.1, -0.01, perfect=0.0, higher_is_better=False))


def test_in_which_conditions_the_replicate_is_better():
    positive, negative = [0.8, 0.1, 0.1, np.nan, 1.0], [0.2, 0.2, 0.1, 0.0, np.nan]
    np.testing.assert_array_equal(bound_discrimination(positive, negative), [1, 0, 0, np.nan, np.nan])
    found = bound_discrimination(positive, negative, higher_is_better=False)
    np.testing.assert_array_equal(found, [0, 1, 0, np.nan, np.nan])


@pytest.mark.parametrize("function", [lambda x, y: dynamic_range_fraction(x, y, perfect=1.0), bound_discrimination])
def test_shapes_that_do_not_fit(function):
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\), which do not fit"):
        function([1.0, 2.0], [1.0, 2.0, 3.0])


def test_values_are_those_of_the_published_implementation():
    calibrators = pytest.importorskip("scperteval.calibrators").CALIBRATORS
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(0.5, 0.5, (2, 50))
    for better, perfect in (("higher", 1.0), ("lower", 0.0)):

        class Protocol:
            pass

        Protocol.better, Protocol.perfect = better, perfect
        raw = [{"positive": x, "negative": y} for x, y in zip(positive, negative, strict=True)]
        higher = better == "higher"
        found = dynamic_range_fraction(positive, negative, perfect=perfect, higher_is_better=higher)
        np.testing.assert_allclose(
            found, [calibrators["drf"].per_pert(one, Protocol) for one in raw], rtol=0, atol=1e-9
        )
        found = bound_discrimination(positive, negative, higher_is_better=higher)
        np.testing.assert_array_equal(found, [calibrators["bds"].per_pert(one, Protocol) for one in raw])
