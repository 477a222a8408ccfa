from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.tl._responder_mixture import fit_responders, held_out_projections, whiten


def draw(rng, n, fraction, shift, *, n_controls=500, n_components=20):
    """Perturbed cells, which of them respond, and control cells."""
    responds = rng.permutation(np.arange(n) < round(fraction * n))
    x, y = rng.normal(size=(n, n_components)), rng.normal(size=(n_controls, n_components))
    x[responds, 0] += shift
    return x, responds, y


def fit(rng, *args, **kwargs):
    x, responds, y = draw(rng, *args, **kwargs)
    return fit_responders(*held_out_projections(x, y, 5, rng)), responds


@pytest.mark.parametrize(
    ("n", "fraction", "shift"), [(100, 1.0, 3.0), (200, 0.5, 4.0), (400, 0.2, 5.0), (30, 0.5, 6.0)]
)
def test_the_fraction_of_a_known_mixture(n, fraction, shift):
    rng = np.random.default_rng(0)
    found = [fit(rng, n, fraction, shift) for _ in range(10)]
    assert np.mean([one.fraction for one, _ in found]) == pytest.approx(fraction, abs=0.03)
    # In a sample of 30 cells, the direction is not exact
    assert np.mean([one.shift for one, _ in found]) == pytest.approx(shift, rel=0.2)
    covered = [one.fraction_low - 0.01 <= fraction <= one.fraction_high + 0.01 for one, _ in found]
    assert np.mean(covered) >= 0.8
    right = [((one.probability >= 0.5) == responds).mean() for one, responds in found]
    assert np.mean(right) > 0.9


def test_the_interval_is_wide_where_the_distributions_overlap():
    rng = np.random.default_rng(0)
    overlapping, apart = (fit(rng, 300, 0.5, shift)[0] for shift in (1.2, 5.0))
    assert overlapping.fraction_high - overlapping.fraction_low > 0.3
    assert 0.05 < apart.fraction_high - apart.fraction_low < 0.2


@pytest.mark.parametrize("n", [20, 200, 1000])
def test_cells_without_an_effect_do_not_respond(n):
    rng = np.random.default_rng(0)
    found = [fit(rng, n, 0.0, 0.0)[0] for _ in range(30)]
    assert np.mean([one.fraction > 0 for one in found]) <= 0.1
    none = next(one for one in found if one.fraction == 0)
    assert not none.probability.any() and np.isnan(none.shift) and none.evidence <= 0


def test_without_folds_noise_looks_like_an_effect():
    # The reason for the folds: a direction taken from the same cells sets them apart
    rng = np.random.default_rng(0)
    x, _, y = draw(rng, 30, 0.0, 0.0)
    direction = x.mean(axis=0) - y.mean(axis=0)
    direction /= np.linalg.norm(direction)
    same = (x @ direction).mean() - (y @ direction).mean()
    held_out, controls = held_out_projections(x, y, 5, rng)
    assert same > 0.6
    assert abs(held_out.mean() - controls.mean()) < 0.5
    assert fit_responders(held_out, controls).fraction == 0


def test_projections_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2)) + 5, rng.normal(size=(6, 2))
    found, controls = held_out_projections(x, y, 10, np.random.default_rng(1))
    folds = np.random.default_rng(1)
    of_x, of_y = folds.permutation(np.arange(4)), folds.permutation(np.arange(6) % 4)
    for i in range(4):
        start = y[of_y != of_x[i]].mean(axis=0)
        direction = np.delete(x, i, axis=0).mean(axis=0) - start
        assert found[i] == pytest.approx((x[i] - start) @ direction / np.linalg.norm(direction))
    assert len(controls) == 6 and controls.mean() < found.min()


def test_whitened_cells_have_unit_covariance():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(5000, 3)) @ rng.normal(size=(3, 3))
    np.testing.assert_allclose(np.cov((y @ whiten(y)).T), np.eye(3), atol=0.05)
    assert whiten(np.c_[y, y[:, 0] * 0]).shape[0] == 4


def test_probabilities_are_those_of_the_mixture():
    rng = np.random.default_rng(0)
    x, y = np.r_[rng.normal(size=5000), rng.normal(4, 1, 5000)], rng.normal(size=20_000)
    found = fit_responders(x, y)
    place = (x - y.mean()) / y.std(ddof=1)
    density = found.fraction * stats.norm.pdf(place, found.shift, 1)
    expected = density / (density + (1 - found.fraction) * stats.norm.pdf(place))
    np.testing.assert_allclose(found.probability[place > 0], expected[place > 0], atol=0.05)
    assert not found.probability[place < 0].any()


def test_controls_that_are_all_the_same():
    found = fit_responders(np.zeros(5), np.zeros(9))
    assert found.fraction == 0 and found.probability.tolist() == [0] * 5
