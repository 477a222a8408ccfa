from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from scpi.metrics import energy_distance
from scpi.tl._energy_test import Controls, _pair_sums, compare_cells, compare_guides, guide_sums


def by_loops(x, y, *, unbiased):
    """Energy distance by two loops over the cells."""

    def mean(a, b, n_pairs):
        return sum(np.sqrt(((p - q) ** 2).sum()) for p in a for q in b) / n_pairs

    n, m, out = len(x), len(y), int(unbiased)
    return 2 * mean(x, y, n * m) - mean(x, x, n * (n - out)) - mean(y, y, m * (m - out))


@pytest.fixture
def two(rng):
    return rng.normal(size=(9, 3)) + 0.5, rng.normal(size=(14, 3))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("swap", [False, True])
def test_the_distance_is_that_of_two_loops_and_of_the_metric(two, rng, swap):
    x, y = two[::-1] if swap else two
    found = compare_cells(x, Controls.of(y), n_permutations=50, rng=rng)
    assert found.distance == pytest.approx(by_loops(x, y, unbiased=True), rel=1e-5)
    assert found.distance == pytest.approx(energy_distance(x, y), rel=1e-5)
    spread = by_loops(y, y, unbiased=False) + cdist(y, y).sum() / (len(y) * (len(y) - 1))
    expected = by_loops(x, y, unbiased=False) / (spread * (1 / len(x) + 1 / len(y)))
    assert found.score == pytest.approx(expected, rel=1e-5)


def test_in_one_dimension_it_is_that_of_scipy(rng):
    x, y = rng.normal(1, 1, 30), rng.normal(size=40)
    found = compare_cells(x[:, None], Controls.of(y[:, None]), n_permutations=10, rng=rng)
    scale = np.abs(y[:, None] - y).sum() / (40 * 39) * (1 / 30 + 1 / 40)
    assert found.score * scale == pytest.approx(stats.energy_distance(x, y) ** 2, rel=1e-5)


@pytest.mark.parametrize("swap", [False, True])
def test_all_permutations_of_a_few_cells(rng, swap):
    x, y = rng.normal(size=(3, 2)) + 1, rng.normal(size=(5, 2))
    x, y = (y, x) if swap else (x, y)
    pooled = np.concatenate([x, y])
    every = []
    for chosen in combinations(range(8), len(x)):
        inside = np.isin(np.arange(8), chosen)
        every.append(by_loops(pooled[inside], pooled[~inside], unbiased=False))
    expected = np.mean(np.array(every) >= by_loops(x, y, unbiased=False) - 1e-9)
    assert compare_cells(x, Controls.of(y), n_permutations=56, rng=rng).pval == pytest.approx(expected)
    drawn = compare_cells(np.repeat(x, 1, axis=0), Controls.of(y), n_permutations=55, rng=rng).pval
    assert drawn == pytest.approx(expected, abs=0.2)


def test_permutations_stay_within_batches():
    # The batches differ, the perturbed cells do not differ from the controls of their batch
    rng = np.random.default_rng(3)
    batch, batch_y = np.repeat([0, 1], [30, 6]), np.repeat([0, 1], [20, 60])
    within = []
    for _ in range(60):
        x, y = rng.normal(size=(36, 2)) + 3 * batch[:, None], rng.normal(size=(80, 2)) + 3 * batch_y[:, None]
        within.append(compare_cells(x, Controls.of(y, batch_y), strata=batch, n_permutations=99, rng=rng).pval)
    assert stats.kstest(within, "uniform").pvalue > 0.01
    assert compare_cells(x, Controls.of(y), n_permutations=99, rng=rng).pval == 0.01
    # Where there are no controls in the batch of the cells, nothing can be permuted
    apart = compare_cells(x[:30], Controls.of(y[20:], batch_y[20:]), strata=batch[:30], n_permutations=99, rng=rng)
    assert apart.pval == 1.0


def test_p_values_are_uniform_without_an_effect():
    rng = np.random.default_rng(0)
    controls = [Controls.of(rng.normal(size=(40, 3))) for _ in range(20)]
    pvals = [
        compare_cells(rng.normal(size=(15, 3)), one, n_permutations=99, rng=rng).pval
        for one in controls
        for _ in range(10)
    ]
    assert stats.kstest(pvals, "uniform").pvalue > 0.01
    shifted = compare_cells(rng.normal(size=(15, 3)) + 2, controls[0], n_permutations=99, rng=rng)
    assert shifted.pval == 0.01 and shifted.score > 5


def test_sums_by_gathering_and_by_a_product_are_the_same(rng):
    values = rng.normal(size=(60, 2))
    distances = cdist(values, values).astype(np.float32)
    for n in (5, 40):
        members = np.array([rng.choice(60, n, replace=False) for _ in range(7)])
        expected = [distances[np.ix_(row, row)].sum(dtype=np.float64) for row in members]
        np.testing.assert_allclose(_pair_sums(distances, members), expected, rtol=1e-5)


def test_cells_that_are_all_the_same_are_no_effect(rng):
    found = compare_cells(np.zeros((4, 2)), Controls.of(np.zeros((6, 2))), n_permutations=20, rng=rng)
    assert found == (0.0, 0.0, 1.0)


def of_guides(rng, sizes, spread, shift=0.0, n_shifted=0):
    """Cells of guides with random effects, and the sums of their distances."""
    guide = np.repeat(np.arange(len(sizes)), sizes)
    effects = spread * rng.normal(size=(len(sizes), 3))
    effects[:n_shifted, 0] += shift
    values = effects[guide] + rng.normal(size=(len(guide), 3))
    return values, guide, guide_sums(values, guide, len(sizes))


def test_sums_of_guides(rng):
    values, guide, sums = of_guides(rng, [4, 3, 5], 0.0)
    for i in range(3):
        for j in range(3):
            assert sums[i, j] == pytest.approx(cdist(values[guide == i], values[guide == j]).sum())
    inside = guide < 2
    apart = guide_sums(values[inside], guide[inside], 2, values[~inside], guide[~inside] - 2)
    np.testing.assert_allclose(apart, sums[:2, 2:])


def test_whole_guides_are_permuted(rng):
    values, guide, sums = of_guides(rng, [20, 30, 25, 20, 40, 30], 0.1, shift=3.0, n_shifted=2)
    sizes = np.bincount(guide)
    found = compare_guides(sums, sizes, 2, n_permutations=100, rng=rng)
    # One of 15 labellings
    assert found.pval == pytest.approx(1 / 15)
    assert found.distance == pytest.approx(energy_distance(values[guide < 2], values[guide >= 2]), rel=1e-6)
    assert found.score > 5
    drawn = compare_guides(sums, sizes, 2, n_permutations=9, rng=rng)
    assert drawn.pval >= 0.1


@pytest.mark.parametrize(("own", "control"), [((12, 12, 12), 100), ((100, 100, 100), 40), ((40, 20, 60), 40)])
def test_guides_that_differ_are_no_effect_but_cells_say_so(own, control):
    rng = np.random.default_rng(0)
    pvals, of_cells = [], []
    for _ in range(200):
        values, guide, sums = of_guides(rng, [*own, *[control] * 8], 0.4)
        pvals.append(compare_guides(sums, np.bincount(guide), 3, n_permutations=200, rng=rng).pval)
        if len(of_cells) < 40:
            controls = Controls.of(values[guide >= 3][:200])
            of_cells.append(compare_cells(values[guide < 3][:100], controls, n_permutations=99, rng=rng).pval)
    # Two standard errors of a fraction of 0.05
    assert np.mean(np.array(pvals) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(of_cells) <= 0.05) > 0.4
