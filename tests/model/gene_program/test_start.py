from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from scpi.model.gene_program._start import find_start

MEAN = torch.tensor([1.0, 3.0, 4.0, 2.0, 6.0])
VARIANCE = torch.tensor([2.0, 2.0, 20.0, 2.04, 6.001])


def start(n_cells=40, allowed=None, n_units=2):
    rng = np.random.default_rng(0)
    programs = np.array([[2.0, 1.0, 0, 0, 0], [0, 0, 0, 1.0, 3.0]])
    units = rng.exponential(size=(n_cells, 2)) * rng.integers(0, 2, (n_cells, 2))
    logged = (units @ programs).astype(np.float32)
    x = logged - logged.mean(0)
    found = find_start(logged, x, n_units=n_units, allowed=allowed, mean=MEAN, variance=VARIANCE)
    return found, x, programs


def test_the_programs_of_the_logarithms_are_found():
    found, _, programs = start(n_units=4)
    cosine = found.weight.double().numpy() @ programs.T
    cosine /= np.outer(found.weight.norm(dim=1).numpy(), np.linalg.norm(programs, axis=1))
    assert cosine.max(0).min() > 0.8


def test_levels_and_dispersions_are_those_of_the_moments():
    found = start()[0]
    np.testing.assert_allclose(found.level, np.log(MEAN.numpy() / 16), rtol=1e-6)
    np.testing.assert_allclose(found.theta, [1.0, 100.0, 1.0, 100.0, 100.0], rtol=1e-5)


@pytest.mark.parametrize("n_cells", [40, 4])
def test_units_of_sets_are_means_of_their_genes_and_the_encoder_is_a_ridge_regression(n_cells):
    allowed = np.array([[True, True, False, False, False], [False, False, False, False, True]])
    found, x, _ = start(n_cells, allowed)
    units = np.maximum(np.stack([x[:, :2].mean(1), x[:, 4]], 1).astype(np.float64), 0.0)
    size = np.sqrt(np.square(units).mean(0))
    np.testing.assert_allclose(found.weight, allowed * size[:, None], rtol=1e-5)
    np.testing.assert_allclose(found.mean, (units / size).mean(0), rtol=1e-5)
    expected = Ridge(alpha=n_cells).fit(x.astype(np.float64), units / size).coef_.T
    np.testing.assert_allclose(found.encoder, expected, atol=1e-5)


def test_units_beyond_what_cells_have_are_zero():
    found = start(n_cells=3, n_units=6)[0]
    assert found.weight.shape == (6, 5) and found.encoder.shape == (5, 6)
    assert not found.weight[3:].any() and not found.mean[3:].any()
