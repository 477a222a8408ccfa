from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.tl._guide_change import compare_guides_of_gene


def draw(rng, *, spread, effects, n=60, n_control_guides=9, n_control=100, n_components=6):
    """Cells of guides with random effects besides those that are given, and control cells with their guides."""
    shifts = spread * rng.normal(size=(len(effects) + n_control_guides, n_components))
    shifts[: len(effects), 0] += effects
    guides = [rng.normal(size=(n, n_components)) + shift for shift in shifts[: len(effects)]]
    code = np.repeat(np.arange(n_control_guides), n_control)
    return guides, rng.normal(size=(len(code), n_components)) + shifts[len(effects) :][code], code


def pvals(*, spread, with_guides=True, n=150, effects=(0.0, 0.0)):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n):
        guides, controls, code = draw(rng, spread=spread, effects=effects)
        found.append([one.pval for one in compare_guides_of_gene(guides, controls, code if with_guides else None, rng)])
    return np.array(found)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_p_values_hold_where_guides_differ(spread):
    found = pvals(spread=spread)
    assert (found <= 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_without_guides_of_controls_cells_count_as_independent():
    assert stats.kstest(pvals(spread=0.0, with_guides=False)[:, 0], "uniform").pvalue > 0.01
    assert (pvals(spread=0.3, with_guides=False) <= 0.05).mean() > 0.12


def test_guides_that_agree_and_one_that_does_nothing():
    rng = np.random.default_rng(1)
    guides, controls, code = draw(rng, spread=0.1, effects=(3.0, 3.0, 0.0, 3.0))
    found = compare_guides_of_gene(guides, controls, code, rng)
    assert [one.pval < 0.01 for one in found] == [True, True, False, True]
    assert [one.strength for one in found] == pytest.approx([3, 3, 0, 3], abs=0.5)
    assert found[0].similarity == pytest.approx(1, abs=0.1)


def test_opposite_guides_disagree():
    rng = np.random.default_rng(1)
    guides, controls, code = draw(rng, spread=0.0, effects=(3.0, -3.0))
    for one in compare_guides_of_gene(guides, controls, code, rng):
        assert one.similarity == pytest.approx(-1, abs=0.05)
        assert one.score < -3 and one.pval > 0.99


def test_noise_does_not_make_the_similarity_smaller():
    rng = np.random.default_rng(0)
    found, plain = [], []
    for _ in range(60):
        guides, controls, _ = draw(rng, spread=0.0, effects=(1.2, 1.2), n=25, n_components=20)
        found.append(compare_guides_of_gene(guides, controls, None, rng)[0].similarity)
        a, b = (guide.mean(axis=0) - controls.mean(axis=0) for guide in guides)
        plain.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert np.mean(plain) < 0.75
    assert np.nanmean(found) > 0.9


def test_noise_alone_has_no_similarity():
    rng = np.random.default_rng(0)
    found = [compare_guides_of_gene(*draw(rng, spread=0.0, effects=(0.0, 0.0)), rng)[0] for _ in range(50)]
    assert np.isnan([one.similarity for one in found]).mean() > 0.9
    same = compare_guides_of_gene([np.zeros((3, 2))] * 2, np.zeros((8, 2)), None, rng)[0]
    assert (same.strength, same.score, same.pval) == (0.0, 0.0, 0.5) and np.isnan(same.similarity)
