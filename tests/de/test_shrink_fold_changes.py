import numpy as np
import pytest
from scipy import integrate, stats

from scpi.de import shrink_fold_changes
from scpi.de._shrink_fold_changes import _posterior


def plant(n, *, share=0.2, scale=0.8, seed=0):
    rng = np.random.default_rng(seed)
    effect = np.where(rng.random(n) < share, rng.normal(0, scale, n), 0.0)
    std_error = rng.uniform(0.05, 0.6, n)
    return effect, effect + std_error * rng.normal(size=n), std_error


@pytest.mark.parametrize(("y", "s"), [(0.5, 0.3), (-1.2, 0.5), (3.0, 0.1), (0.02, 1.0)])
def test_posterior_is_that_of_integration(y, s):
    tau, weights = np.array([0.0, 0.2, 0.8]), np.array([0.6, 0.3, 0.1])

    def slab(f):
        return (weights[1:] * stats.norm.pdf(f, scale=tau[1:])).sum() * stats.norm.pdf(y, f, s)

    def integral(function, low=-8.0):
        return integrate.quad(lambda f: function(f) * slab(f), low, 8.0, points=[0, y], limit=500)[0]

    spike = weights[0] * stats.norm.pdf(y, 0, s)
    total = spike + integral(lambda f: 1.0)
    mean = integral(lambda f: f) / total
    above = integral(lambda f: 1.0, 0.0) / total
    effect, std_dev, null, wrong = (
        float(values[0]) for values in _posterior(np.array([y]), np.array([s**2]), tau, weights)
    )
    assert effect == pytest.approx(mean, abs=1e-6)
    assert std_dev == pytest.approx(np.sqrt(integral(lambda f: f * f) / total - mean**2), abs=1e-6)
    assert null == pytest.approx(spike / total, abs=1e-6)
    assert wrong == pytest.approx(1 - (above if y > 0 else 1 - spike / total - above), abs=1e-6)


def test_prior_is_learned_and_probabilities_hold():
    effect, y, s = plant(20_000)
    found = shrink_fold_changes(y, s)
    assert found.weights @ found.scales**2 == pytest.approx(0.2 * 0.8**2, rel=0.15)
    assert np.square(found.effect - effect).mean() < 0.4 * np.square(y - effect).mean()
    assert np.square((found.effect - effect) / found.std_dev).mean() == pytest.approx(1.0, abs=0.15)
    wrong = np.sign(found.effect) != np.sign(effect)
    for low, high in ((0.0, 0.05), (0.05, 0.5)):
        there = (found.false_sign_rate >= low) & (found.false_sign_rate < high)
        assert there.sum() > 100
        assert wrong[there].mean() == pytest.approx(found.false_sign_rate[there].mean(), abs=0.05)
    # Exactly 95 % of intervals that are nearly normal
    inside = np.abs(found.effect - effect) <= 1.96 * found.std_dev
    assert inside.mean() == pytest.approx(0.95, abs=0.02)


def test_shape_sign_and_order_do_not_matter():
    _, y, s = plant(600)
    found = shrink_fold_changes(y.reshape(3, 200), s.reshape(3, 200))
    assert found.effect.shape == found.std_dev.shape == found.false_sign_rate.shape == (3, 200)
    other = shrink_fold_changes(-y[::-1], s[::-1])
    np.testing.assert_allclose(other.effect[::-1], -found.effect.ravel(), atol=1e-6)


def test_without_effects_everything_is_shrunken_to_zero():
    rng = np.random.default_rng(0)
    found = shrink_fold_changes(rng.normal(0, 0.2, 5000), np.full(5000, 0.2))
    assert found.weights[0] > 0.5
    assert np.abs(found.effect).max() < 0.1


@pytest.mark.parametrize(
    ("estimate", "std_error", "options", "message"),
    [
        ([1.0, 2.0], [1.0], {}, r"but have \(2,\) and \(1,\)"),
        ([], [], {}, "not be empty"),
        ([np.inf], [1.0], {}, "finite"),
        ([1.0], [0.0], {}, "above zero"),
        ([1.0], [1.0], {"scales": [0.1, 1.0]}, "`scales` must be 0 and"),
    ],
)
def test_bad_input(estimate, std_error, options, message):
    with pytest.raises(ValueError, match=message):
        shrink_fold_changes(estimate, std_error, **options)
