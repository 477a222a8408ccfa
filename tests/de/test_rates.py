import numpy as np
import pandas as pd
import pytest

from scpi.de._rates import group_rates


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(0).poisson(3.0, (90, 5))


CODES = np.repeat([0, 1, 2], [20, 30, 40])


def test_the_rest_is_the_mean_of_all_other_cells(counts):
    found = group_rates(counts, CODES)
    depth = counts.sum(axis=1)
    scaled = counts / depth[:, None] * np.median(depth)
    rest = found._rest()
    for group in range(3):
        others = scaled[group != CODES]
        np.testing.assert_allclose(rest.total[group] / rest.exposure[group], others.mean(axis=0), rtol=1e-5)
        assert rest.exposure[group, 0] == len(others)
    # Between those of the groups
    assert (rest.index <= found.rates.index.max(axis=0) + 1e-9).all()
    assert (rest.index >= found.rates.index.min(axis=0) - 1e-9).all()


def test_scaled_counts_are_as_many_as_they_were():
    rng = np.random.default_rng(1)
    depth = np.repeat([400, 1600], 300)
    rare = rng.poisson(depth * 2e-4)
    counts = np.column_stack([rare, depth - rare])
    rates = group_rates(counts, np.repeat([0, 1], 300)).rates
    # A count of a shallow cell is two and a half of the median depth, one of a deep cell less than one
    np.testing.assert_allclose(rates.factor.ravel(), [2.5, 0.625])
    np.testing.assert_allclose(rates.variance[:, 0], [1 / rare[:300].sum(), 1 / rare[300:].sum()], rtol=0.25)


def test_covariates_of_equal_effect_leave_everything_as_it_is(counts):
    given = pd.DataFrame({"batch": np.where(np.arange(90) % 2, "x", "y")})
    plain, adjusted = group_rates(counts, CODES), group_rates(counts, CODES, covariates=given)
    assert plain.effects is None and adjusted.effects is not None
    for reference in (None, 1):
        for found, wanted in zip(adjusted.log_ratios(reference), plain.log_ratios(reference), strict=True):
            np.testing.assert_allclose(found, wanted, atol=0.05)
