from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpi.model.base.counts._cells import Cells
from scpi.model.base.counts._change import changed_cells
from scpi.model.base.counts._match import match_means, rates

THETA = 2.0


def cells_of(seed: int, n_cells: int = 400, n_genes: int = 60, *, linear: bool = False) -> Cells:
    """Negative binomial counts of cells of unequal depth."""
    rng = np.random.default_rng(seed)
    depth = rng.lognormal(0.0, 0.5, (n_cells, 1))
    mean = depth * rng.gamma(0.4, 2.0, n_genes)
    counts = rng.poisson(mean * rng.gamma(THETA, 1.0 / THETA, mean.shape)).astype(float)
    total = np.maximum(counts.sum(1, keepdims=True), 1.0)
    return Cells.of_registered_counts(counts) if linear else Cells.of_counts(counts, np.log1p(counts / total * 1e3))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.floats(0.01, 1.0), linear=st.booleans())
def test_drawn_cells_have_the_means_that_were_asked_for(seed, size, linear):
    cells, rng = cells_of(seed, linear=linear), np.random.default_rng(seed)
    change = rng.normal(0.0, size, cells.counts.shape[1]) * cells.level
    theta = np.full(len(change), THETA)
    counts = changed_cells(cells, match_means(cells, change, theta), theta, rng=rng)
    reached = np.asarray((counts if linear else cells.logs(counts)).mean(0)).ravel() - cells.level
    wanted = np.maximum(change, -cells.level)
    assert np.linalg.norm(reached - wanted) < 0.1 * np.linalg.norm(wanted) + 0.05


def test_a_gene_that_is_not_there_is_switched_on():
    counts = np.zeros((500, 2))
    counts[:, 0] = 4.0
    logs = np.log1p(counts)
    cells, theta = Cells.of_counts(counts, logs), np.full(2, 5.0)
    change = match_means(cells, np.array([0.0, 0.7]), theta)
    found = changed_cells(cells, change, theta, rng=np.random.default_rng(0))
    np.testing.assert_allclose(cells.logs(found).toarray().mean(0), [logs[0, 0], 0.7], atol=0.03)
    assert change.kept[0] == 1.0 and change.added[0] == 0.0


def test_what_cannot_fall_further_is_0():
    cells = cells_of(0)
    change = match_means(cells, -2.0 * cells.level - 1.0, np.ones(60))
    assert (change.kept[cells.level > 0] < 1e-6).all() and (change.added == 0).all()


def test_no_change_is_none():
    cells = cells_of(0)
    change = match_means(cells, np.zeros(60), np.ones(60))
    np.testing.assert_allclose(change.kept, 1.0, atol=1e-6)
    np.testing.assert_allclose(change.added, 0.0, atol=1e-6)


@pytest.mark.parametrize("fraction", [-0.02, -0.002, 0.002, 0.02])
def test_a_small_change_is_met_to_a_fraction_of_itself(fraction):
    cells = cells_of(0)
    expressed = np.flatnonzero(cells.level > 0.05)
    change = match_means(cells, fraction * cells.level, np.full(60, THETA))
    reached = []
    for seed in range(200):
        found = changed_cells(cells, change, np.full(60, THETA), rng=np.random.default_rng(seed))
        reached.append(np.asarray(cells.logs(found).mean(0)).ravel()[expressed] - cells.level[expressed])
    wanted = fraction * cells.level[expressed]
    error = np.std(reached, 0) / np.sqrt(200)
    assert np.abs((np.mean(reached, 0) - wanted) / np.hypot(error, 0.01 * wanted)).max() < 5


def test_rounding_of_means_is_no_change():
    cells = cells_of(0)
    rounded = cells.level.astype(np.float32) * (1 + np.random.default_rng(0).choice([-1e-7, 1e-7], 60))
    change = match_means(cells, rounded - cells.level, np.ones(60))
    assert (change.kept == 1).all() and (change.added == 0).all()


def test_cells_without_counts_have_no_change():
    cells = Cells.of_logs(np.zeros((5, 2)))
    change = match_means(cells, np.array([1.0, -1.0]), np.ones(2))
    assert (change.kept == 1).all() and (change.added == 0).all()
    assert changed_cells(cells, change, np.ones(2), rng=np.random.default_rng(0)).nnz == 0


def test_single_counts_are_kept_in_proportion():
    """The level of a cell with one count is that count times the probability to keep it."""
    counts = np.zeros((50, 1))
    counts[:20] = 1.0
    cells = Cells.of_counts(counts, np.log1p(3.0 * counts))
    change = match_means(cells, -0.25 * cells.level, np.ones(1))
    np.testing.assert_allclose(change.kept, 0.75, rtol=1e-3)


@pytest.mark.parametrize("count", [0.0, 1.0, 5.0])
def test_rates_are_posterior_means_of_a_gamma_prior(count):
    unit, mean, theta = 2.0, 3.0, 1.5
    expected = mean / unit
    posterior = (count + theta) / (1.0 + theta / expected)
    np.testing.assert_allclose(rates(count, unit, mean, theta) * mean, posterior)
