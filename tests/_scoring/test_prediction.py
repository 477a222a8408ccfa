from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi._scoring._prediction import Prediction, draw_places
from scpi._screen._matrix import means


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    kinds = {"real": (30, 1.0), "predicted": (25, 0.8), "start": (25, 0.0), "reference": (40, 0.0)}
    return {name: rng.poisson(2.0 + shift, (n, 12)).astype(np.float32) for name, (n, shift) in kinds.items()}


def test_changes_and_deviations_are_those_of_means_of_all_cells(cells):
    one = Prediction(**cells, perturbed_mean=np.ones(12), n_cells=5)
    means = {name: x.astype(float).mean(0) for name, x in cells.items()}
    np.testing.assert_allclose(one.change[0], means["real"] - means["reference"])
    np.testing.assert_allclose(one.change[1], means["predicted"] - means["start"])
    np.testing.assert_allclose(one.deviation[1], means["predicted"] - 1.0)
    assert [len(part) for part in one.cells] == [5, 5, 5]
    assert one.n_least == 25


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csr_array])
def test_sparse_cells_are_the_same_cells(cells, convert):
    dense = Prediction(**cells)
    made = Prediction(**{name: convert(x) for name, x in cells.items()})
    np.testing.assert_allclose(made.change, dense.change, rtol=1e-12)
    for a, b in zip(made.cells, dense.cells, strict=True):
        np.testing.assert_array_equal(a, b)


def test_cells_that_were_not_moved_have_no_change_to_the_last_bit(cells):
    """A rounding error would have a direction, and a correlation."""
    start = sparse.csr_matrix(cells["start"] / 3)
    one = Prediction(**(cells | {"start": start, "predicted": start.toarray()}))
    assert (one.predicted_change == 0).all()
    # Nor have those whose counts were normalised again, in single precision
    again = start.toarray() * (1 + 1e-7 * np.random.default_rng(0).normal(size=start.shape))
    two = Prediction(**(cells | {"start": start, "predicted": sparse.csr_matrix(again)}))
    assert (two.predicted_change == 0).all()
    three = Prediction(**(cells | {"start": start, "predicted": sparse.csr_matrix(1.00001 * start)}))
    assert (three.predicted_change != 0).any()


def test_a_mean_stands_for_the_cells_that_were_started_from(cells):
    mean = cells["start"].astype(np.float64).mean(0)
    one = Prediction(**(cells | {"start": mean[None]}))
    np.testing.assert_allclose(one.predicted_change, Prediction(**cells).predicted_change, atol=1e-12)


def test_distances_are_taken_in_components(cells):
    components = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 3)))[0]
    one = Prediction(**cells, components=components)
    np.testing.assert_allclose(one.projected[2], cells["reference"] @ components, rtol=1e-5)
    assert one.bandwidth == pytest.approx(2 * (cells["reference"] @ components).var(0, ddof=1).sum(), rel=1e-5)
    alike = Prediction(**(cells | {"reference": np.ones((4, 12), dtype=np.float32)}))
    assert alike.bandwidth is None


def test_calls_are_rank_sum_tests_against_the_reference(cells):
    cells = {name: x / 4 for name, x in cells.items()}
    real, predicted = Prediction(**cells).calls
    for calls, name in ((real, "real"), (predicted, "predicted")):
        found = stats.mannwhitneyu(cells[name], cells["reference"], method="asymptotic").pvalue
        np.testing.assert_array_equal(calls.significant, stats.false_discovery_control(found) < 0.05)
        assert (np.sign(calls.lfc)[calls.significant] == np.sign(calls.score)[calls.significant]).all()


def test_draws():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(draw_places(4, 4, rng), np.arange(4))
    drawn = draw_places(100, 10, rng)
    assert len(set(drawn)) == 10 and (np.diff(drawn) > 0).all()


def test_means_are_taken_in_double_precision():
    x = np.full((3000, 1), 1e6 + 0.1, dtype=np.float32)
    for cells in (x, sparse.csr_matrix(x)):
        assert means(cells)[0] == pytest.approx(float(x[0, 0]), rel=1e-12)
