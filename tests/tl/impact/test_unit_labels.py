from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score, roc_auc_score

from scpi.tl._impact._unit_labels import label_auroc, label_information


def cells(n, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, 3, n)
    values = np.column_stack([rng.normal(size=n) + codes, rng.integers(0, 3, n), np.ones(n)]).astype(float)
    return values, codes


def test_areas_are_those_of_scikit_learn():
    values, codes = cells(200)
    found = label_auroc(values, codes, 4)
    known = codes >= 0
    for unit in range(3):
        for label in range(3):
            assert found[unit, label] == pytest.approx(roc_auc_score(codes[known] == label, values[known, unit]))
    # No cell has the fourth label
    assert np.isnan(found[:, 3]).all()
    assert np.isnan(label_auroc(values, np.zeros(200, dtype=int), 1)).all()


def test_information_is_that_of_the_bins():
    values, codes = cells(4000)
    known = codes >= 0
    found = label_information(values, codes, 3)
    # A unit of three values has three bins
    bits = mutual_info_score(values[known, 1], codes[known]) / np.log(2)
    assert found[1] == pytest.approx(max(bits - 4 / (2 * known.sum() * np.log(2)), 0))
    assert found[0] > 0.2
    assert found[2] == 0
    # A unit that is the label says all that there is to know
    whole = label_information(codes[:, None].astype(float), codes, 3)[0]
    shares = np.bincount(codes[known]) / known.sum()
    assert whole == pytest.approx(-(shares * np.log2(shares)).sum(), abs=0.01)


def test_few_cells_do_not_look_informative():
    found = [
        label_information(np.random.default_rng(seed).normal(size=(200, 5)), np.arange(200) % 4, 4)
        for seed in range(20)
    ]
    assert np.mean(found) < 0.03
    assert label_information(np.ones((3, 2)), np.full(3, -1), 2).tolist() == [0, 0]
