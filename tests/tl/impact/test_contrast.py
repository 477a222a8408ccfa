from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy import sparse, stats

from scpi.attribution import AttributionTarget, attribute_batches, attribute_cells
from scpi.tl._impact._cells import SampleMeans, sample_means
from scpi.tl._impact._contrast import between_cells, between_donors


def curved_target(n_genes=40, n_units=3):
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(n_genes, n_units)).astype(np.float32)) / 8
    return AttributionTarget(
        lambda x: torch.tanh(x @ weight), torch.log1p, [f"u{i}" for i in range(n_units)], kind="latent"
    )


@pytest.mark.parametrize("batch_size", [7, None])
def test_means_of_samples_are_those_of_their_cells(batch_size):
    rng = np.random.default_rng(1)
    x = rng.poisson(2.0, (60, 40)).astype(np.float32)
    codes = rng.integers(-1, 2, 60)
    membership = sparse.csr_matrix(rng.random((40, 4)) < 0.3)
    target = curved_target()
    batches = attribute_batches(target, x, codes, batch_size=batch_size)
    means = sample_means(batches, (2, 3), membership, n_bootstrap=2000, rng=rng)
    values = attribute_cells(target, x, method="gradient").values
    weights = membership.toarray() / membership.toarray().sum(axis=0)
    for sample in (0, 1):
        cells = values[:, codes == sample].astype(float)
        impact = cells @ weights
        np.testing.assert_allclose(means.genes[sample], cells.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(means.sets[sample], impact.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(means.variance[sample], impact.var(axis=1, ddof=1), rtol=1e-3)
        assert means.n_cells[sample] == (codes == sample).sum()
        # The bootstrap has the standard error of the mean
        error = impact.std(axis=1) / np.sqrt(means.n_cells[sample])
        np.testing.assert_allclose(means.drawn[:, sample].std(axis=0), error, rtol=0.15)
        assert (
            np.abs(means.drawn[:, sample].mean(axis=0) - impact.mean(axis=1)) < 5 * error / np.sqrt(2000) + 0.02 * error
        ).all()


def test_cells_are_compared_by_welch():
    rng = np.random.default_rng(0)
    cells = [rng.normal(size=(n, 2, 3)) + shift for n, shift in ((30, 0.5), (50, 0.0))]
    drawn = np.stack(
        [np.stack([one[rng.integers(0, len(one), len(one))].mean(axis=0) for one in cells]) for _ in range(500)]
    )
    means = SampleMeans(
        genes=np.zeros((2, 2, 5)),
        sets=np.stack([one.mean(axis=0) for one in cells]),
        variance=np.stack([one.var(axis=0, ddof=1) for one in cells]),
        n_cells=np.array([30, 50]),
        drawn=drawn.astype(np.float32),
    )
    found, expected = between_cells(means), stats.ttest_ind(*cells, equal_var=False)
    np.testing.assert_allclose(found.t, expected.statistic)
    np.testing.assert_allclose(found.pval, expected.pvalue)
    np.testing.assert_allclose(found.difference, cells[0].mean(axis=0) - cells[1].mean(axis=0))
    interval = expected.confidence_interval()
    np.testing.assert_allclose(found.low, interval.low, atol=0.12)
    np.testing.assert_allclose(found.high, interval.high, atol=0.12)


def test_one_test_of_donors_is_the_ordinary_one():
    rng = np.random.default_rng(0)
    target, reference = rng.normal(size=(6, 1, 1)) + 0.7, rng.normal(size=(6, 1, 1))
    both, is_target = np.concatenate([target, reference]), np.repeat([True, False], 6)
    found, expected = between_donors(both, is_target, None, rng), stats.ttest_ind(target.ravel(), reference.ravel())
    assert found.t.item() == pytest.approx(expected.statistic)
    assert found.pval.item() == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.low.item(), found.high.item()) == pytest.approx((interval.low, interval.high))
    paired, expected = (
        between_donors(both, is_target, np.tile(np.arange(6), 2), rng),
        stats.ttest_rel(target.ravel(), reference.ravel()),
    )
    assert paired.t.item() == pytest.approx(expected.statistic)
    assert paired.pval.item() == pytest.approx(expected.pvalue)
    assert paired.difference.item() == pytest.approx(target.mean() - reference.mean())


def test_exchanges_of_labels_by_hand():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(7, 1, 2))
    is_target = np.array([True, False, True, False, False, True, False])
    found = between_donors(values, is_target, None, rng).permuted
    observed = values[is_target].mean(axis=0) - values[~is_target].mean(axis=0)
    every = []
    for chosen in combinations(range(7), 3):
        mask = np.isin(np.arange(7), chosen)
        every.append(values[mask].mean(axis=0) - values[~mask].mean(axis=0))
    np.testing.assert_allclose(found, (np.abs(every) >= np.abs(observed) - 1e-12).mean(axis=0))

    pairs = np.concatenate([values[:5] + 1, values[2:]])
    donors = np.tile(np.arange(5), 2)
    found = between_donors(pairs, np.repeat([True, False], 5), donors, rng).permuted
    difference = pairs[:5] - pairs[5:]
    signs = np.array(list(product([1, -1], repeat=5)))
    every = np.abs(np.einsum("sd,dup->sup", signs, difference))
    np.testing.assert_allclose(found, (every >= every[0] - 1e-12).mean(axis=0))


@pytest.mark.parametrize("paired", [True, False])
def test_type_one_error_between_donors(paired):
    """Donors differ, groups do not; units have scales of their own."""
    rng = np.random.default_rng(0)
    rejected, permuted = [], []
    is_target = np.repeat([True, False], 5)
    for _ in range(60):
        donor = rng.normal(size=(5, 4, 25))
        values = np.concatenate([donor, donor]) if paired else np.zeros((10, 4, 25))
        values = (values + rng.normal(size=(10, 4, 25))) * np.array([1e-3, 1.0, 5.0, 100.0])[:, None]
        found = between_donors(values, is_target, np.tile(np.arange(5), 2) if paired else None, rng)
        rejected.append((found.pval < 0.05).mean())
        permuted.append((found.permuted < 0.05).mean())
        assert ((found.low < 0) & (found.high > 0)).mean() == pytest.approx((found.pval > 0.05).mean())
    assert 0.005 <= np.mean(rejected) <= 0.06
    assert np.mean(permuted) <= 0.055


def test_a_shift_within_donors_is_found_through_their_differences():
    rng = np.random.default_rng(0)
    donor = 10 * rng.normal(size=(6, 3, 20))
    values = np.concatenate([donor + 2.0, donor]) + 0.5 * rng.normal(size=(12, 3, 20))
    is_target, donors = np.repeat([True, False], 6), np.tile(np.arange(6), 2)
    assert (between_donors(values, is_target, donors, rng).pval < 0.01).all()
    assert (between_donors(values, is_target, None, rng).pval > 0.01).mean() > 0.9


def test_a_vanished_unit_differs_in_nothing():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(8, 3, 5))
    values[:, 1] = 0
    found = between_donors(values, np.repeat([True, False], 4), None, rng)
    assert (found.pval[1] == 1).all()
    assert (found.t[1] == 0).all()
    assert (found.difference[1] == 0).all()
    assert (found.permuted[1] == 1).all()
    assert np.isfinite(found.low).all()


@pytest.mark.parametrize("n_donors", [2, 5])
def test_sets_that_move_together_are_no_evidence_of_the_variance(n_donors):
    """All sets follow one number of each donor: to take their variances for independent rejects far too often."""
    rng = np.random.default_rng(0)
    is_target, donors = np.repeat([True, False], n_donors), np.tile(np.arange(n_donors), 2)
    rejected = []
    for _ in range(150):
        values = rng.normal(size=(2 * n_donors, 1, 1)) + 0.1 * rng.normal(size=(2 * n_donors, 2, 10))
        rejected.append((between_donors(values, is_target, donors, rng).pval < 0.05).mean())
    assert np.mean(rejected) <= 0.1


def test_the_scale_of_a_unit_makes_no_difference():
    rng = np.random.default_rng(0)
    values, is_target = rng.normal(size=(8, 3, 20)) * rng.gamma(2, size=(1, 1, 20)), np.repeat([True, False], 4)
    scale = np.array([1.0, 1e3, 1e-3])[:, None]
    found, other = (between_donors(table, is_target, None, rng) for table in (values, values * scale))
    np.testing.assert_allclose(other.t, found.t, rtol=1e-6)
    np.testing.assert_allclose(other.difference, found.difference * scale, rtol=1e-6)
    np.testing.assert_allclose(other.high, found.high * scale, rtol=1e-6)


def test_donors_may_come_in_any_order():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(10, 2, 5))
    is_target, donors = np.repeat([True, False], 5), np.tile(np.arange(5), 2)
    order = rng.permutation(10)
    found = between_donors(values, is_target, donors, rng)
    other = between_donors(values[order], is_target[order], donors[order], rng)
    np.testing.assert_allclose(other.t, found.t)
    np.testing.assert_allclose(other.permuted, found.permuted)
