from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import squareform

from scpi.tl._effect_similarity import (
    PairNoise,
    compare_pairs,
    compute_effects,
    cosine_interval,
    cosine_variance,
    direction_pval,
    whitened_moments,
)

N_COMPONENTS = 10
FIELDS = ("similarity", "similarity_low", "similarity_high", "pval")


def directions(rng, n, length=1.0):
    """Vectors of a length in random directions."""
    found = rng.normal(size=(n, N_COMPONENTS))
    return length * found / np.linalg.norm(found, axis=1, keepdims=True)


def screen(rng, effects, n_cells, n_controls, n_batches=1):
    """Cells of perturbations with the given effects, on components of very different scales, in shifted batches."""
    codes = np.repeat(np.arange(len(effects) + 1), [n_controls] + [n_cells] * len(effects))
    batch = rng.integers(n_batches, size=len(codes))
    values = rng.normal(size=(len(codes), N_COMPONENTS)) + np.vstack([np.zeros(N_COMPONENTS), effects])[codes]
    shift = 5 * rng.normal(size=(n_batches, N_COMPONENTS))
    return (values + shift[batch]) * np.geomspace(5, 0.2, N_COMPONENTS), codes, batch


def compared(cells, chosen=None, confidence_level=0.95):
    moments = whitened_moments(*cells)
    effects = compute_effects(moments)
    chosen = np.flatnonzero(effects.strength > 0) if chosen is None else chosen
    return effects, compare_pairs(moments, effects, chosen, confidence_level)


def simulated(n_sets, lengths, n_cells, n_controls, n_batches=1, common=0.0):
    """P-values, estimates and true cosines of pairs; `common` is the cosine of all effects with each other."""
    pvals, found, true = [], [], []
    for seed in range(n_sets):
        rng = np.random.default_rng([seed, n_controls])
        effects = directions(rng, len(lengths))
        shared = directions(rng, 1)[0]
        effects -= np.outer(effects @ shared, shared) if common else 0
        effects /= np.linalg.norm(effects, axis=1, keepdims=True)
        effects = np.sqrt(common) * shared + np.sqrt(1 - common) * effects
        cells = screen(rng, effects * np.array(lengths)[:, None], n_cells, n_controls, n_batches)
        with np.errstate(divide="ignore", invalid="ignore"):  # lengths may be 0 here, as all are compared
            _, pairs = compared(cells, np.arange(len(lengths)))
        pvals.append(pairs.pval)
        found.append(np.stack(pairs[:3]))
        true.append((effects @ effects.T)[np.triu_indices(len(lengths), 1)])
    return np.array(pvals), np.stack(found, axis=1), np.array(true)


def test_a_closed_form():
    """Two perturbations, one batch, and controls whose covariance is the identity."""
    corners = np.array(list(product([-1.0, 1.0], repeat=2)))
    own = corners * np.sqrt(3 / 4)  # with an unbiased variance of 1
    values = np.vstack([np.repeat(corners, 50, axis=0), own + [3, 0], own + [3, 4]])
    moments = whitened_moments(values, np.repeat([0, 1, 2], [200, 4, 4]), np.zeros(208, dtype=np.intp))
    np.testing.assert_allclose(moments.variance, 1, atol=0.01)
    assert moments.n_free == 199
    effects = compute_effects(moments)
    noise = 1 / 4 + 1 / 200
    np.testing.assert_allclose(effects.noise, noise, rtol=0.01)
    np.testing.assert_allclose(effects.strength, np.sqrt(np.array([9, 25]) - 2 * noise), rtol=0.01)
    np.testing.assert_allclose(effects.pval, stats.f.sf(np.array([9, 25]) / (2 * noise), 2, 199), rtol=0.2)
    pairs = compare_pairs(moments, effects, np.arange(2), 0.95)
    product_of_changes = 9 - 2 / 200
    assert pairs.similarity[0] == pytest.approx(
        product_of_changes / np.sqrt((9 - 2 * noise) * (25 - 2 * noise)), rel=0.01
    )
    score = product_of_changes / np.sqrt(9 * 25 + 3 * (2 / 200) ** 2)
    assert pairs.pval[0] == pytest.approx(direction_pval(score, 2), rel=0.02)


def test_effects_are_those_of_a_linear_model_with_batches():
    rng = np.random.default_rng(0)
    moments = whitened_moments(*screen(rng, directions(rng, 3, 2.0), 30, 60, n_batches=3))
    effects = compute_effects(moments)
    batches = np.tile(np.eye(3), (2, 1))
    for code in (1, 2, 3):
        weight = np.sqrt(np.r_[moments.sizes[0], moments.sizes[code]])[:, None]
        design = np.column_stack([np.repeat([0.0, 1.0], 3), batches])
        means = np.vstack([moments.means[0], moments.means[code]])
        expected = np.linalg.lstsq(weight * design, weight * means, rcond=None)[0][0]
        np.testing.assert_allclose(effects.change[code - 1], expected)
        of_one_cell = np.linalg.inv((weight * design).T @ (weight * design))[0, 0]
        assert effects.noise[code - 1] == pytest.approx(of_one_cell, rel=0.15)


@pytest.mark.parametrize(
    ("n_cells", "n_controls", "n_batches"), [(20, 400, 1), (20, 400, 4)], ids=["one batch", "batches"]
)
def test_pvals_without_effects_are_uniform(n_cells, n_controls, n_batches):
    pvals, *_ = simulated(150, [0, 0, 0], n_cells, n_controls, n_batches)
    assert stats.kstest(pvals[:, 0], "uniform").pvalue > 0.01
    assert (pvals <= 0.05).mean() == pytest.approx(0.05, abs=0.025)


@pytest.mark.parametrize(("n_controls", "n_batches"), [(200, 1), (100, 3)])
def test_pvals_of_unrelated_effects_are_uniform(n_controls, n_batches):
    pvals, *_ = simulated(150, [3, 2, 1], 40, n_controls, n_batches)
    assert min(stats.kstest(pvals[:, i], "uniform").pvalue for i in range(3)) > 0.01
    assert (pvals <= 0.05).mean() == pytest.approx(0.05, abs=0.025)


def test_few_shared_controls_do_not_look_like_similarity():
    """A plain cosine of mean changes calls nearly all pairs alike."""
    rng = np.random.default_rng(0)
    cells = screen(rng, np.zeros((8, N_COMPONENTS)), 200, 20)
    change = compute_effects(whitened_moments(*cells)).change
    unit = change / np.linalg.norm(change, axis=1, keepdims=True)
    assert (direction_pval((unit @ unit.T)[np.triu_indices(8, 1)], N_COMPONENTS) < 0.05).mean() > 0.9
    pvals, *_ = simulated(80, [0, 0, 0, 0], 100, 20)
    assert (pvals <= 0.05).mean() < 0.05
    assert (pvals <= 0.001).mean() < 0.002


def test_alike_effects_are_found_and_their_intervals_cover():
    pvals, found, true = simulated(100, [2, 2, 1], 60, 300, common=0.8)
    similarity, low, high = found
    assert (pvals <= 0.05).mean() > 0.8
    assert similarity.mean() == pytest.approx(true.mean(), abs=0.02)
    assert ((low <= true) & (true <= high)).mean() == pytest.approx(0.95, abs=0.04)
    assert (low <= similarity).all() and (similarity <= high).all()


def test_a_similarity_of_one_is_in_its_interval():
    _, found, _ = simulated(100, [1.5, 1.5], 60, 300, common=1.0)
    assert (found[2] >= 1 - 1e-9).mean() > 0.93
    assert np.ptp(found[0]) > 0


def test_batches_with_few_controls_are_no_similarity():
    """Batches differ far more than perturbations do, and perturbations are unequally distributed over them."""
    rng = np.random.default_rng(0)
    effects = directions(rng, 6, 2.0)
    values, codes, _ = screen(rng, effects, 80, 120)
    batch = (rng.random(len(codes)) < np.where(codes > 3, 0.8, 0.2)).astype(np.intp)
    _, pairs = compared((values + 50.0 * batch[:, None], codes, batch))
    expected = (effects @ effects.T / 4)[np.triu_indices(6, 1)]
    assert np.abs(pairs.similarity - expected).max() < 0.3


def test_the_order_does_not_matter():
    rng = np.random.default_rng(0)
    values, codes, batch = screen(rng, directions(rng, 5, 2.0), 40, 100, n_batches=2)
    _, expected = compared((values, codes, batch))
    order = rng.permutation(len(codes))
    _, found = compared((values[order], codes[order], batch[order]))
    for field in FIELDS:
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-6)
    # Perturbations in reverse: the pairs are the same in reverse
    _, found = compared((values, np.where(codes > 0, 6 - codes, 0), batch))
    for field in FIELDS:
        square = squareform(getattr(found, field))[::-1, ::-1]
        np.testing.assert_allclose(square, squareform(getattr(expected, field)), rtol=1e-6)


def test_scale_and_order_of_the_components_do_not_matter():
    rng = np.random.default_rng(0)
    values, codes, batch = screen(rng, directions(rng, 4, 2.0), 40, 50)
    _, expected = compared((values, codes, batch))
    other = np.column_stack([values * rng.gamma(1, size=N_COMPONENTS) + 3, np.ones(len(values))])
    _, found = compared((other[:, rng.permutation(N_COMPONENTS + 1)], codes, batch))
    for field in FIELDS:
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-5)


def test_cells_that_are_left_out_do_not_matter():
    rng = np.random.default_rng(0)
    values, codes, batch = screen(rng, directions(rng, 3, 2.0), 40, 100)
    _, expected = compared((values, codes, batch))
    more = np.vstack([values, np.full((5, N_COMPONENTS), 1e6)])
    _, found = compared((more, np.r_[codes, [-1] * 5], np.r_[batch, [-1] * 5]))
    np.testing.assert_allclose(found.pval, expected.pval)


def test_a_perturbation_without_controls_in_its_batches_is_missing():
    rng = np.random.default_rng(0)
    values, codes, batch = screen(rng, directions(rng, 3, 2.0), 40, 100)
    effects = compute_effects(whitened_moments(values, codes, np.where(codes == 2, 1, batch)))
    np.testing.assert_array_equal(np.isnan(effects.pval), [False, True, False])
    np.testing.assert_array_equal(np.isnan(effects.strength), [False, True, False])


def test_the_variance_is_that_of_simulated_vectors():
    rng = np.random.default_rng(0)
    n, cosine, first, second, shared = 20, 0.6, 0.004, 0.01, 0.003
    a, b = np.zeros(n), np.zeros(n)
    a[0], b[:2] = 1.0, (cosine, np.sqrt(1 - cosine**2))
    root = np.linalg.cholesky([[first, shared], [shared, second]])
    noise = np.einsum("ij,kjd->kid", root, rng.normal(size=(20000, 2, n)))
    x, y = a + noise[:, 0], b + noise[:, 1]
    lengths = ((x**2).sum(axis=1) - n * first) * ((y**2).sum(axis=1) - n * second)
    found = ((x * y).sum(axis=1) - n * shared) / np.sqrt(lengths)
    expected = cosine_variance(np.array(cosine), PairNoise(*map(np.array, (first, second, shared)), n, np.inf))
    assert found.var() == pytest.approx(expected, rel=0.06)
    assert found.mean() == pytest.approx(cosine, abs=0.01)


def test_an_interval_ends_where_the_error_allows():
    cosine = np.array([-0.7, 0.0, 0.5, 0.95])
    noise = PairNoise(*(np.full(4, value) for value in (0.003, 0.002, 0.001)), 20, 500)
    low, high = cosine_interval(cosine, noise, 1.96)
    for end in (low, high):
        np.testing.assert_allclose(np.abs(cosine - end), 1.96 * np.sqrt(cosine_variance(end, noise)), rtol=1e-4)
    assert (low < cosine).all() and (cosine < high).all()
    low, high = cosine_interval(np.array([1.3]), PairNoise(*(np.array([0.5]) for _ in range(3)), 20, 500), 1.96)
    assert high[0] == 1


@pytest.mark.parametrize("n", [3, 20])
def test_the_pval_is_that_of_random_directions(n):
    rng = np.random.default_rng(0)
    others = rng.normal(size=(20000, n))
    cosines = others[:, 0] / np.linalg.norm(others, axis=1)
    for cosine in (0.2, -0.5):
        assert direction_pval(cosine, n) == pytest.approx((np.abs(cosines) >= abs(cosine)).mean(), abs=0.01)
    assert 0 < direction_pval(1.0, n) < 1e-6 * 20


@pytest.mark.parametrize(
    ("values", "batch", "message"),
    [
        (np.ones((8, 3)), np.r_[0, 1, 2, 3, 0, 1, 2, 3], "No batch has two control cells"),
        (
            np.outer([0.0, 1, 2, 4, 1, 2, 3, 9], [1, 0, 0]),
            np.zeros(8, dtype=np.intp),
            "at least 2 components .* there are 1",
        ),
    ],
)
def test_bad_input_is_explained(values, batch, message):
    with pytest.raises(ValueError, match=message):
        whitened_moments(values, np.repeat([0, 1], 4), batch)
