import tracemalloc

import numpy as np
import pytest
from scipy import integrate, stats

from scpi.de import shrink_effects
from scpi.de._shrink_effects import _GRID, _PEAK, _points, _posterior


def plant(n_groups, n_columns, *, share=0.1, scale=0.6, seed=0):
    rng = np.random.default_rng(seed)
    effect = np.where(rng.random((n_groups, n_columns)) < share, rng.normal(0, scale, (n_groups, n_columns)), 0.0)
    std_error = rng.uniform(0.03, 0.4, (n_groups, n_columns))
    base = rng.normal(0, 2, n_columns)
    return base, effect, base + effect + std_error * rng.normal(size=effect.shape), std_error


def by_integration(y, s, tau, weights):
    """Posterior means of one column by adaptive quadrature over the level."""
    spread = np.sqrt(s[:, None] ** 2 + tau**2)

    def density(b):
        return weights * stats.norm.pdf(y[:, None] - b, scale=spread)

    low, high = y.min() - 12 * spread.max(), y.max() + 12 * spread.max()

    def integral(function):
        return integrate.quad(
            lambda b: function(b) * np.prod(density(b).sum(axis=1)), low, high, points=sorted(y), limit=2000
        )[0]

    total = integral(lambda b: 1.0)
    base = integral(lambda b: b) / total
    shrunken = tau**2 / spread**2

    def moment(k, of):
        def at(b):
            share = density(b)[k] / density(b)[k].sum()
            return float((share * of(shrunken[k] * (y[k] - b))).sum())

        return integral(at) / total

    effect = [moment(k, lambda mean: mean) for k in range(len(y))]
    null = [moment(k, lambda mean: (tau == 0).astype(float)) for k in range(len(y))]
    own = shrunken * s[:, None] ** 2
    square = [moment(k, lambda mean, k=k: mean**2 + own[k]) for k in range(len(y))]
    slab = tau > 0
    above = [
        moment(k, lambda mean, k=k: np.where(slab, stats.norm.sf(0, mean, np.sqrt(np.where(slab, own[k], 1.0))), 0.0))
        for k in range(len(y))
    ]
    return base, effect, null, square, above


@pytest.mark.parametrize("n_groups", [2, 3, 7])
def test_posterior_is_that_of_adaptive_integration(n_groups):
    _, _, y, s = plant(n_groups, 2, share=0.4, seed=n_groups)
    tau, weights = np.array([0.0, 0.2, 0.8]), np.array([0.7, 0.2, 0.1])
    points = _points(y, s**2, tau**2, weights, _GRID, _PEAK)
    base, effect, square, null, above = _posterior(y, s**2, tau**2, weights, *points)
    for g in range(2):
        wanted = by_integration(y[:, g], s[:, g], tau, weights)
        np.testing.assert_allclose(base[g], wanted[0], atol=0.01)
        np.testing.assert_allclose(effect[:, g], wanted[1], atol=0.01)
        np.testing.assert_allclose(null[:, g], wanted[2], atol=0.03)
        np.testing.assert_allclose(square[:, g], wanted[3], atol=0.02)
        np.testing.assert_allclose(above[:, g], wanted[4], atol=0.03)


def test_prior_is_learned():
    _, _, y, s = plant(4, 2000, share=0.15, scale=0.8)
    shrunken = shrink_effects(y, s)
    assert shrunken.weights.sum() == pytest.approx(1.0)
    assert shrunken.weights[shrunken.scales < 0.1].sum() == pytest.approx(0.85, abs=0.05)
    variance = shrunken.weights @ shrunken.scales**2
    assert variance == pytest.approx(0.15 * 0.8**2, rel=0.3)


@pytest.mark.parametrize("n_groups", [3, 20])
def test_shrunken_effects_are_closer_to_the_truth(n_groups):
    base, effect, y, s = plant(n_groups, 1000)
    shrunken = shrink_effects(y, s)
    raw = y - np.median(y, axis=0)
    assert np.square(shrunken.effect - effect).mean() < 0.5 * np.square(raw - effect).mean()
    assert np.abs(shrunken.base - base).mean() < 1.05 * np.abs(np.median(y, axis=0) - base).mean()


def test_probability_is_calibrated():
    _, effect, y, s = plant(4, 4000)
    probability = shrink_effects(y, s).probability
    for low, high in ((0.2, 0.5), (0.5, 0.8), (0.95, 1.0)):
        there = (probability >= low) & (probability < high + 1e-9)
        assert (effect[there] != 0).mean() == pytest.approx(probability[there].mean(), abs=0.12)


def test_signs_are_wrong_as_often_as_it_says():
    _, effect, y, s = plant(4, 4000, share=0.5)
    shrunken = shrink_effects(y, s)
    wrong = np.sign(shrunken.effect) != np.sign(effect)
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.5)):
        there = (shrunken.false_sign_rate >= low) & (shrunken.false_sign_rate < high)
        assert wrong[there].mean() == pytest.approx(shrunken.false_sign_rate[there].mean(), abs=0.05)
    error = (effect - shrunken.effect) / shrunken.std_dev
    assert np.sqrt(np.square(error).mean()) == pytest.approx(1.0, abs=0.1)


def test_the_group_that_differs_has_the_effect():
    shrunken = shrink_effects(np.array([[0.0, 1.0], [0.0, 1.0], [2.0, 1.0]]), np.full((3, 2), 0.05))
    np.testing.assert_allclose(shrunken.effect[:, 0], [0.0, 0.0, 2.0], atol=0.03)
    np.testing.assert_allclose(shrunken.base, [0.0, 1.0], atol=0.03)
    assert (np.abs(shrunken.effect[:, 1]) < 0.01).all()


def test_two_groups_share_what_cannot_be_told_apart():
    _, _, y, s = plant(2, 800, share=0.2)
    s[:] = 0.1
    shrunken = shrink_effects(y, s)
    np.testing.assert_allclose(shrunken.effect[0], -shrunken.effect[1], atol=2e-3)
    np.testing.assert_allclose(shrunken.probability[0], shrunken.probability[1], atol=2e-3)


def test_levels_and_order_of_groups_do_not_matter():
    _, _, y, s = plant(7, 300)
    shrunken = shrink_effects(y, s)
    moved = shrink_effects(y + np.linspace(-5, 5, 300), s)
    np.testing.assert_allclose(moved.effect, shrunken.effect, atol=1e-6)
    turned = shrink_effects(y[::-1], s[::-1])
    np.testing.assert_allclose(turned.effect[::-1], shrunken.effect, atol=0.02)


def test_without_effects_everything_is_shrunken_to_the_level():
    rng = np.random.default_rng(0)
    shrunken = shrink_effects(rng.normal(0, 0.2, (5, 1000)), np.full((5, 1000), 0.2))
    assert shrunken.weights[0] > 0.8
    assert np.abs(shrunken.effect).max() < 0.2


def test_many_groups_fit_into_memory():
    _, effect, y, s = plant(2000, 60, scale=1.0)
    tracemalloc.start()
    shrunken = shrink_effects(y, s, max_iter=5)  # as much memory as any number
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 29
    assert np.corrcoef(shrunken.effect.ravel(), effect.ravel())[0, 1] > 0.85


def test_values_far_outside_the_prior_are_left_alone():
    shrunken = shrink_effects(np.array([[0.0] * 50, [0.0] * 50, [60.0] + [0.0] * 49]), np.full((3, 50), 1e-3))
    assert shrunken.effect[2, 0] == pytest.approx(60.0, rel=0.01)
    assert np.isfinite(shrunken.effect).all()


@pytest.mark.parametrize(
    ("estimate", "std_error", "options", "message"),
    [
        ([[0.0, 1.0]], [[1.0, 1.0]], {}, "at least two groups"),
        ([[0.0], [1.0]], [[1.0, 1.0], [1.0, 1.0]], {}, r"shapes \(2, 1\) and \(2, 2\)"),
        ([[0.0], [np.nan]], [[1.0], [1.0]], {}, "finite"),
        ([[0.0], [1.0]], [[1.0], [0.0]], {}, "above zero"),
        ([[0.0], [1.0]], [[1.0], [1.0]], {"scales": [0.1, 1.0]}, "`scales` must be 0 and"),
    ],
)
def test_bad_input(estimate, std_error, options, message):
    with pytest.raises(ValueError, match=message):
        shrink_effects(estimate, std_error, **options)
