"""The weighted Jaccard index of significant effects."""

from __future__ import annotations

import numpy as np
import pytest

from scpi.metrics import effect_jaccard, significant_jaccard


def by_parts(x, y):
    """The formula, with effects upwards and downwards apart."""
    ups, downs = (np.stack([np.clip(sign * part, 0, None) for part in (x, y)]) for sign in (1, -1))
    return (ups.min(0) + downs.min(0)).sum() / (ups.max(0) + downs.max(0)).sum()


def test_it_is_the_formula_over_significant_genes():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 7, 40))
    a, b = rng.random((2, 7, 40)) < 0.4
    found = effect_jaccard(x, y, a, predicted_significant=b)
    expected = [by_parts(x[i] * a[i], y[i] * b[i]) for i in range(7)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert ((found >= 0) & (found <= 1)).all()


def test_effects_of_one_size_have_the_index_of_the_sets():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 50)) < 0.3
    ones = np.ones(50)
    assert effect_jaccard(ones, ones, a, predicted_significant=b) == pytest.approx(significant_jaccard(a, b), rel=1e-12)


@pytest.mark.parametrize("factor", [3.0, 1 / 3])
def test_a_wrong_size_costs_what_it_is_wrong_by(factor):
    x, all_genes = np.array([1.0, -2.0, 0.5]), np.ones(3, dtype=bool)
    assert effect_jaccard(x, factor * x, all_genes, predicted_significant=all_genes) == pytest.approx(1 / 3)


def test_wrong_directions_nothing_and_missing_effects():
    x, all_genes, none = np.array([1.0, -2.0]), np.ones(2, dtype=bool), np.zeros(2, dtype=bool)
    assert effect_jaccard(x, -x, all_genes, predicted_significant=all_genes) == 0
    assert effect_jaccard(x, x, none, predicted_significant=none) == 1
    assert effect_jaccard(x, x, all_genes, predicted_significant=none) == 0
    assert effect_jaccard(x, np.array([1.0, np.nan]), all_genes, predicted_significant=all_genes) == pytest.approx(
        1 / 3
    )


def test_what_is_refused():
    with pytest.raises(ValueError, match="must be of the same genes"):
        effect_jaccard([1.0], [1.0, 2.0], [True], predicted_significant=[True])
    with pytest.raises(ValueError, match="predicted_significant"):
        effect_jaccard([1.0], [1.0], [True], predicted_significant=[1])
