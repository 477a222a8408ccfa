from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse

from scpi.metrics import pearson_delta, rmse, spearman_brown, split_half_ceiling


def test_pure_signal_has_ceiling_one():
    control = np.zeros((20, 5))
    ceiling = split_half_ceiling(control + np.arange(5.0), control)
    assert ceiling.mean == pytest.approx(1.0)
    assert ceiling.sd == pytest.approx(0.0, abs=1e-12)


def test_pure_noise_has_ceiling_zero():
    rng = np.random.default_rng(0)
    means = [
        split_half_ceiling(rng.normal(size=(40, 200)), rng.normal(size=(60, 200)), n_splits=5, rng=i).mean
        for i in range(40)
    ]
    # The halves share no cell, of the perturbed or of the control: any sharing would correlate them. Splits of the
    # same cells are negatively correlated, by less than one in the number of cells.
    assert abs(np.mean(means)) < 0.04


def test_known_reliability():
    rng = np.random.default_rng(1)
    signal, n_cells, n_control = rng.normal(0, 0.5, size=2000), 50, 100
    ceilings = [
        split_half_ceiling(
            signal + rng.normal(size=(n_cells, 2000)), rng.normal(size=(n_control, 2000)), n_splits=10, rng=i
        ).mean
        for i in range(5)
    ]
    noise = 1 / (n_cells / 2) + 1 / (n_control / 2)
    assert np.mean(ceilings) == pytest.approx(0.25 / (0.25 + noise), abs=0.02)


def test_sd_is_over_splits():
    rng = np.random.default_rng(2)
    cells, control = rng.normal(size=(11, 30)), rng.normal(size=(8, 30))
    values = []

    def recording(real, predicted):
        result = rmse(real, predicted)
        values.extend(result)
        return result

    ceiling = split_half_ceiling(cells, control, metric=recording, n_splits=7)
    assert len(values) == 7
    assert ceiling.mean == pytest.approx(np.mean(values))
    assert ceiling.sd == pytest.approx(np.std(values, ddof=1))
    assert math.isnan(split_half_ceiling(cells, control, n_splits=1).sd)


def test_halves_are_disjoint_and_complete():
    # With an identity matrix the means tell which cell went where
    seen = []

    def record(real, predicted):
        seen.append((real, predicted))
        return np.zeros(len(real))

    split_half_ceiling(np.eye(7), np.zeros((4, 7)), metric=record, n_splits=6)
    real, predicted = seen[0]
    np.testing.assert_allclose(((real > 0) ^ (predicted > 0)).sum(axis=1), 7)
    np.testing.assert_allclose((real > 0).sum(axis=1), 3)
    assert len(np.unique(real > 0, axis=0)) > 1


def test_sparse_seed_and_errors():
    rng = np.random.default_rng(3)
    cells, control = rng.poisson(1.0, size=(30, 20)), rng.poisson(1.0, size=(30, 20))
    dense = split_half_ceiling(cells, control, rng=5)
    assert split_half_ceiling(sparse.csr_matrix(cells), sparse.csc_array(control), rng=5) == pytest.approx(dense)
    assert split_half_ceiling(cells, control, rng=6) != dense
    with pytest.raises(ValueError, match="`cells` has 1 cell"):
        split_half_ceiling(cells[:1], control)
    with pytest.raises(ValueError, match="20 genes and `control` 19"):
        split_half_ceiling(cells, control[:, :19])
    with pytest.raises(ValueError, match="n_splits"):
        split_half_ceiling(cells, control, n_splits=0)
    with pytest.raises(ValueError, match="one value for each"):
        split_half_ceiling(cells, control, metric=lambda real, predicted: 0.0)


def test_spearman_brown():
    # Two measurements of a signal with variance 1, each with noise of variance v: 1 / (1 + v), halved noise for twice
    # the cells
    np.testing.assert_allclose(spearman_brown([1 / 3, 0.0, 1.0]), [1 / 2, 0.0, 1.0])
    assert spearman_brown(1 / (1 + 0.8), factor=4) == pytest.approx(1 / (1 + 0.2))
    with pytest.raises(ValueError, match="positive"):
        spearman_brown(0.5, factor=0)


def test_spearman_brown_of_halves_predicts_the_whole():
    rng = np.random.default_rng(4)
    signal = rng.normal(0, 0.3, size=3000)

    def measure():
        return signal + rng.normal(size=(40, 3000))

    control = np.zeros((40, 3000))
    extrapolated = spearman_brown(split_half_ceiling(measure(), control).mean)
    whole = pearson_delta(measure().mean(axis=0), measure().mean(axis=0))
    assert extrapolated == pytest.approx(whole, abs=0.03)
