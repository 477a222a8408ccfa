from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import calinski_harabasz_score, silhouette_samples, silhouette_score

from scpi.metrics import _separation, calinski_harabasz, silhouette


@st.composite
def clustered(draw):
    n = draw(st.integers(3, 30))
    codes = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(lambda x: 2 <= len(set(x)) < len(x)))
    return np.random.default_rng(draw(st.integers(0, 100))).normal(size=(n, draw(st.integers(1, 4)))), codes


@given(clustered())
@settings(max_examples=50, deadline=None)
def test_as_scikit_learn(data):
    points, codes = data
    named = [f"cluster {9 - code}" for code in codes]
    assert silhouette(points, named) == pytest.approx(silhouette_score(points, codes))
    assert calinski_harabasz(points, named) == pytest.approx(calinski_harabasz_score(points, codes))
    # Neither depends on place and scale
    moved = 3.0 * points + 50.0
    assert silhouette(moved, codes) == pytest.approx(silhouette(points, codes), abs=1e-9)
    assert calinski_harabasz(moved, codes) == pytest.approx(calinski_harabasz(points, codes))


def test_far_from_the_origin_and_with_equal_points():
    rng = np.random.default_rng(0)
    points, codes = rng.normal(size=(60, 3)), np.repeat([0, 1, 2], 20)
    points[:5] = points[0]
    assert silhouette(points + 1e6, codes) == pytest.approx(silhouette_score(points, codes), abs=1e-6)
    assert silhouette(np.zeros((6, 2)), [0, 0, 0, 1, 1, 1]) == 0
    assert silhouette([[0.0], [0.0], [1.0], [1.0]], [0, 0, 1, 1]) == 1


def test_no_distance_to_itself_by_rounding():
    points = np.random.default_rng(0).normal(size=(3, 2))
    exact = silhouette_score(points, [0, 0, 1])
    assert silhouette(3.0 * points, [0, 0, 1]) == pytest.approx(exact, abs=1e-14)


def test_a_cell_alone_has_no_width():
    points = np.array([[0.0], [1.0], [10.0]])
    assert silhouette(points, [0, 0, 1]) == pytest.approx((9 / 10 + 8 / 9 + 0) / 3)


def test_the_sample_is_of_exact_widths(monkeypatch):
    rng = np.random.default_rng(0)
    codes = rng.choice(3, 500, p=[0.02, 0.3, 0.68])
    points = rng.normal(size=(500, 4)) + codes[:, None]
    widths = silhouette_samples(points, codes)
    drawn = np.sort(np.random.default_rng(5).choice(500, 100, replace=False))
    assert silhouette(points, codes, n_cells=100, rng=5) == pytest.approx(widths[drawn].mean())
    assert silhouette(points, codes, n_cells=1, rng=2) == pytest.approx(
        widths[np.random.default_rng(2).choice(500, 1, replace=False)[0]]
    )
    values = [silhouette(points, codes, n_cells=100, rng=seed) for seed in range(40)]
    assert np.mean(values) == pytest.approx(widths.mean(), abs=4 * widths.std() / 10 / np.sqrt(40))
    whole = silhouette(points, codes, n_cells=None)
    assert whole == pytest.approx(widths.mean())
    assert whole == silhouette(points, codes, n_cells=500)
    monkeypatch.setattr(_separation, "_BLOCK", 3 * 500)
    assert silhouette(points, codes, n_cells=None) == pytest.approx(whole)


def test_memory_of_many_cells(monkeypatch):
    monkeypatch.setattr(_separation, "_BLOCK", 1 << 16)
    rng = np.random.default_rng(0)
    points, codes = rng.normal(size=(6000, 2)).astype(np.float32), rng.integers(0, 4, 6000)
    tracemalloc.start()
    silhouette(points, codes, n_cells=3000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3000 * 6000 * 8 / 10


def test_calinski_harabasz_at_its_ends():
    assert calinski_harabasz([[0.0], [0.0], [1.0]], [0, 0, 1]) == np.inf
    assert np.isnan(calinski_harabasz(np.ones((4, 2)), [0, 0, 1, 1]))
    assert calinski_harabasz([[0.0], [2.0], [0.0], [2.0]], [0, 0, 1, 1]) == 0


@pytest.mark.parametrize("metric", [silhouette, calinski_harabasz])
@pytest.mark.parametrize(
    ("points", "labels", "match"),
    [
        (np.zeros((3, 2)), [0, 0, 0], r"`labels` has 1 cluster\(s\) of 3 cell\(s\)"),
        (np.zeros((3, 2)), [0, 1, 2], r"`labels` has 3 cluster\(s\) of 3 cell\(s\)"),
        (np.zeros((3, 2)), [0, 1], "`labels` has 2 cells and `embedding` 3"),
        (np.zeros((3, 2)), [0, 1, np.nan], "1 missing"),
        (np.full((3, 2), np.nan), [0, 1, 1], "`embedding` has NaN"),
        (np.zeros(3), [0, 1, 1], "`embedding` must have two dimensions"),
    ],
)
def test_bad_input(metric, points, labels, match):
    with pytest.raises(ValueError, match=match):
        metric(points, labels)


def test_no_cells_to_average():
    with pytest.raises(ValueError, match="`n_cells` must be at least 1, but is 0"):
        silhouette(np.zeros((3, 1)), [0, 0, 1], n_cells=0)
