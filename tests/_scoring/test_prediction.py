from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi._scoring._prediction import Prediction, draw_places, mean_of

RNG = np.random.default_rng(0)
REAL, PREDICTED, START, REFERENCE = (
    np.log1p(RNG.poisson(rate, (n, 6))).astype(np.float32) for rate, n in ((3, 30), (4, 20), (2, 25), (2, 40))
)
REAL[:, 0] += 2.0


def make(convert=np.asarray, **changes):
    cells = {"real": REAL, "predicted": PREDICTED, "start": START, "reference": REFERENCE}
    return Prediction(**({name: convert(x) for name, x in cells.items()} | changes))


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_changes_are_differences_of_means(convert):
    one = make(convert, perturbed_mean=np.ones(6))
    real, predicted = (x.mean(axis=0, dtype=float) for x in (REAL, PREDICTED))
    np.testing.assert_allclose(one.means, [real, predicted])
    control = [x.mean(axis=0, dtype=float) for x in (REFERENCE, START)]
    np.testing.assert_allclose(one.change, [real - control[0], predicted - control[1]])
    np.testing.assert_allclose(one.deviation, [real - 1, predicted - 1])
    assert one.n_least == 20
    for found, expected in zip(one.cells, (REAL, PREDICTED, REFERENCE), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_metrics_of_cells_take_at_most_so_many_drawn_by_the_seed():
    few, again, other = (make(n_cells=15, seed=seed).cells for seed in (1, 1, 2))
    assert [len(cells) for cells in few] == [15, 15, 15]
    np.testing.assert_array_equal(few[0], again[0])
    assert not np.array_equal(few[0], other[0])
    # Means are those of all cells
    np.testing.assert_allclose(make(n_cells=15).means, make().means)


def test_distances_are_taken_in_the_components():
    components = np.linalg.qr(RNG.normal(size=(6, 2)))[0]
    one = make(components=components)
    np.testing.assert_allclose(one.projected[2], REFERENCE.astype(float) @ components, rtol=1e-6)
    spread = (REFERENCE.astype(float) @ components).var(axis=0, ddof=1).sum()
    assert one.bandwidth == pytest.approx(2 * spread, rel=1e-6)
    assert make(reference=np.ones((5, 6))).bandwidth is None


def test_calls_are_those_of_the_rank_sum_test_against_the_reference():
    for call, cells in zip(make().calls, (REAL, PREDICTED), strict=True):
        tests = [stats.mannwhitneyu(cells[:, g], REFERENCE[:, g], use_continuity=True) for g in range(6)]
        expected = stats.false_discovery_control([test.pvalue for test in tests]) < 0.05
        np.testing.assert_array_equal(call.significant, expected)
        counts = [np.expm1(x).mean(axis=0, dtype=float) + 0.1 for x in (cells, REFERENCE)]
        np.testing.assert_allclose(call.lfc, np.log2(counts[0] / counts[1]), rtol=1e-5)
        assert (np.sign(call.score) == np.sign(call.lfc))[call.significant].all()
    assert make().calls[0].significant[0]


def test_places_are_drawn_without_replacement_in_order():
    rng = np.random.default_rng(0)
    assert draw_places(4, 9, rng).tolist() == [0, 1, 2, 3]
    drawn = draw_places(50, 9, rng)
    assert len(set(drawn)) == 9 and (np.diff(drawn) > 0).all()


def test_means_of_sparse_cells_are_in_double_precision():
    x = np.full((100_000, 1), 0.1, dtype=np.float32)
    assert mean_of(sparse.csr_matrix(x))[0] == pytest.approx(float(np.float32(0.1)), rel=1e-12)
