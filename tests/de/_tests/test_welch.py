from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.de import welch
from scpi.de._student import two_sided_log_pval


@pytest.fixture
def screen():
    rng = np.random.default_rng(0)
    codes = rng.choice([-1, 0, 1, 2, 3], size=600, p=[0.1, 0.5, 0.2, 0.15, 0.05])
    values = rng.gamma(1.0, size=(600, 11)) * (rng.random((600, 11)) < 0.6)
    values[codes == 2] *= 1.7
    values[codes == 3, :4] += 2.0
    return values.astype(np.float32), codes


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_welch_is_that_of_scipy(screen, convert):
    values, codes = screen
    result = welch(convert(values), codes, reference=0)
    assert result.score.shape == (4, 11)
    x = values.astype(np.float64)
    for group in (1, 2, 3):
        expected = stats.ttest_ind(x[codes == group], x[codes == 0], equal_var=False)
        np.testing.assert_allclose(result.score[group], expected.statistic, rtol=1e-9)
        np.testing.assert_allclose(result.pval[group], expected.pvalue, rtol=1e-7)
        difference = x[codes == group].mean(axis=0) - x[codes == 0].mean(axis=0)
        np.testing.assert_allclose(result.effect[group], difference, rtol=1e-9)
    np.testing.assert_array_equal(result.score[0], 0)
    np.testing.assert_array_equal(result.pval[0], 1)


def test_the_reference_may_be_any_group(screen):
    values, codes = screen
    a, b = welch(values, codes, reference=0), welch(values, codes, reference=3)
    np.testing.assert_allclose(a.score[3], -b.score[0], rtol=1e-12)
    np.testing.assert_allclose(a.log_pval[3], b.log_pval[0], rtol=1e-12)


def test_p_is_finite_on_the_log_scale():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 5000)
    result = welch(rng.normal(size=(10_000, 1)) + 3.0 * codes[:, None], codes, reference=0)
    assert result.pval[1, 0] == 0
    # Far out the tail of t on about 10,000 degrees of freedom is above that of the normal
    assert stats.norm.logsf(result.score[1, 0]) < result.log_pval[1, 0] < -5000
    assert result.log10_pval[1, 0] == pytest.approx(result.log_pval[1, 0] / np.log(10))


# mpmath, 40 digits: log of the regularised incomplete beta function at df / (df + t^2)
@pytest.mark.parametrize(
    ("t", "df", "expected"),
    [
        (60.0, 2000.0, -1033.425145695315),
        (200.0, 2000.0, -3048.5240704020383),
        (37.5, 1e5, -702.0708798464533),
        (1e5, 1000.0, -8062.730274484097),
    ],
)
def test_the_far_tail_is_that_of_arbitrary_precision(t, df, expected):
    assert two_sided_log_pval(np.array([t]), np.array([df]))[0] == pytest.approx(expected, rel=1e-6)


def test_the_two_forms_of_the_tail_meet(monkeypatch):
    t, df = np.linspace(5.0, 35.0, 50), np.geomspace(8.0, 1e5, 50)
    series = two_sided_log_pval(t, df)
    monkeypatch.setattr("scpi.de._student._UNDERFLOW", np.inf)
    np.testing.assert_allclose(two_sided_log_pval(t, df), series, rtol=1e-9)


def test_p_is_uniform_under_the_null():
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], [200, 12, 60])
    values = rng.normal(size=(272, 4000)) * np.where(codes == 1, 3.0, 1.0)[:, None]
    result = welch(values, codes, reference=0)
    for group in (1, 2):
        assert stats.kstest(result.pval[group], "uniform").pvalue > 0.01


def test_without_variance_there_is_nothing_to_compare_with():
    values = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 2.0], [1.0, 2.0]])
    result = welch(values, [0, 0, 1, 1], reference=0)
    np.testing.assert_array_equal(result.score, 0)
    np.testing.assert_array_equal(result.pval, 1)
    np.testing.assert_array_equal(result.effect[1], [0.0, 1.0])


def test_bad_groups_are_named():
    values = np.zeros((4, 1))
    with pytest.raises(ValueError, match="group 1 has 1"):
        welch(values, [0, 0, 0, 1], reference=0)
    with pytest.raises(ValueError, match="groups are 0 to 1"):
        welch(values, [0, 0, 1, 1], reference=2)
    with pytest.raises(ValueError, match="one integer for each of the 4 rows"):
        welch(values, ["a", "a", "b", "b"], reference=0)
    with pytest.raises(ValueError, match="finite"):
        welch(np.full((4, 1), np.nan), [0, 0, 1, 1], reference=0)
    with pytest.raises(ValueError, match="rows x columns"):
        welch(np.zeros(4), [0, 0, 1, 1], reference=0)


def test_each_group_is_compared_with_the_rest(screen):
    values, codes = screen
    values = values.astype(np.float64) + 1000.0  # a large mean must not drown the variance of the rest
    for convert in (np.asarray, sparse.csr_matrix):
        result = welch(convert(values), codes, reference=None)
        for group in range(4):
            expected = stats.ttest_ind(values[codes == group], values[(codes >= 0) & (codes != group)], equal_var=False)
            np.testing.assert_allclose(result.score[group], expected.statistic, rtol=1e-6)
            np.testing.assert_allclose(result.pval[group], expected.pvalue, rtol=1e-5)
