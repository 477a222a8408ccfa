from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.de import estimate_overdispersion


def simulate(seed, *, n_cells=1000, n_genes=400, overdispersion=0.3, n_types=1, change=1.0, depth_sd=0.4):
    """Counts of a mixture of cell types, the overdispersion of each gene, and whether a gene differs between types."""
    rng = np.random.default_rng(seed)
    mean = np.tile(rng.gamma(1.0, 1.5, size=n_genes) + 0.3, (n_types, 1))
    marker = rng.random(n_genes) < 0.2
    mean[1:, marker] *= np.exp(change * rng.normal(size=(n_types - 1, marker.sum())))
    types = rng.integers(n_types, size=n_cells)
    depth = np.exp(depth_sd * rng.normal(size=n_cells))
    rate = mean[types] * depth[:, None]
    value = np.broadcast_to(overdispersion, (n_genes,))
    noisy = value > 0
    rate[:, noisy] *= rng.gamma(1.0 / value[noisy], value[noisy], size=(n_cells, noisy.sum()))
    return rng.poisson(rate), value, marker, types


@pytest.mark.parametrize("overdispersion", [0.1, 0.3, 1.0])
def test_one_population_is_estimated_without_bias(overdispersion):
    estimates = [estimate_overdispersion(simulate(seed, overdispersion=overdispersion)[0]) for seed in range(3)]
    assert np.mean(estimates) == pytest.approx(overdispersion, rel=0.06)


def test_poisson_counts_have_none():
    assert estimate_overdispersion(simulate(0, overdispersion=0.0)[0]).mean() < 0.01


@pytest.mark.parametrize("n_types", [2, 5])
def test_a_mixture_does_not_inflate_the_estimate(n_types):
    ratios, as_one = [], []
    for seed in range(3):
        counts, truth, marker, _ = simulate(seed, n_types=n_types)
        ratios.append(estimate_overdispersion(counts)[marker].mean() / truth[0])
        as_one.append(
            estimate_overdispersion(counts, groups=np.zeros(len(counts), dtype=int))[marker].mean() / truth[0]
        )
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.08)
    assert np.mean(as_one) > 1.3


def test_known_groups_can_be_given():
    counts, truth, marker, types = simulate(0, n_types=3)
    labels = np.array(["a", "b", "c"], dtype=object)[types]
    assert estimate_overdispersion(counts, groups=labels)[marker].mean() == pytest.approx(truth[0], rel=0.08)
    # Cells without a label are left out
    labels[types == 2] = None
    assert estimate_overdispersion(counts, groups=labels)[marker].mean() == pytest.approx(truth[0], rel=0.08)


def test_genes_differ_and_the_trend_helps():
    truth = 0.4 * np.exp(0.5 * np.random.default_rng(9).normal(size=400))
    counts = simulate(4, overdispersion=truth)[0]
    shrunken, own = estimate_overdispersion(counts), estimate_overdispersion(counts, shrink=False)
    assert np.corrcoef(shrunken, truth)[0, 1] > 0.8
    assert np.mean((shrunken - truth) ** 2) < np.mean((own - truth) ** 2)
    # Less than what the trend alone would leave
    assert np.mean((shrunken - truth) ** 2) < 0.5 * truth.var()


def test_depth_is_not_overdispersion():
    counts = simulate(5, overdispersion=0.0, depth_sd=0.8)[0]
    one_group = np.zeros(len(counts), dtype=int)
    as_if_equal = estimate_overdispersion(counts, size_factors=np.ones(len(counts)), groups=one_group)
    assert estimate_overdispersion(counts, groups=one_group).mean() < 0.02
    assert as_if_equal.mean() > 0.5


def test_small_groups_are_estimated_without_bias():
    """The squared mean of five cells is too large by a fifth of their overdispersion."""
    counts = simulate(10, n_cells=5000, overdispersion=1.0, depth_sd=0.0)[0]
    groups = np.repeat(np.arange(1000), 5)
    estimate = estimate_overdispersion(counts, groups=groups, size_factors=np.ones(5000), shrink=False)
    assert np.median(estimate) == pytest.approx(1.0, rel=0.05)


def test_a_few_odd_cells_do_not_speak_for_a_gene():
    counts, truth, _, _ = simulate(6)
    spoiled = counts.copy()
    genes = np.arange(40)
    # Two cells of each gene, not the same ones, which would make a group
    spoiled[7 * genes, genes] = spoiled[500 + 11 * genes, genes] = 60
    depth = counts.sum(axis=1)
    clean, odd = (estimate_overdispersion(x, size_factors=depth, shrink=False)[:40] for x in (counts, spoiled))
    assert np.median(np.abs(odd - clean)) < 0.2 * truth[0]
    assert np.quantile(np.abs(odd - clean), 0.9) < truth[0]


def test_groups_do_not_cut_the_variance_of_the_genes_that_found_them():
    """In one population, groups found on the same genes would hold cells of alike noise."""
    counts = simulate(7, n_genes=12, overdispersion=0.5)[0]
    from scpi.de._neighbourhoods import neighbourhoods

    depth = counts.sum(axis=1) / counts.sum(axis=1).mean()
    codes = neighbourhoods(sparse.csr_matrix(counts), depth, size=25, rng=np.random.default_rng(0))
    assert estimate_overdispersion(counts, groups=codes, shrink=False).mean() < 0.35
    # 12 genes: the depth of a cell is not known well, and a part of the variance goes to it
    assert estimate_overdispersion(counts, size_factors=np.ones(len(counts)), shrink=False).mean() > 0.4


def test_sparse_and_dense_counts_agree_and_many_cells_are_drawn():
    counts = simulate(8, n_cells=10_500, n_genes=20)[0]
    dense, csc = estimate_overdispersion(counts), estimate_overdispersion(sparse.csc_matrix(counts))
    np.testing.assert_allclose(dense, csc)
    assert dense.mean() == pytest.approx(0.3, rel=0.25)


def test_genes_without_counts_follow_the_trend():
    counts = simulate(9)[0]
    counts[:, :5] = 0
    own = estimate_overdispersion(counts, shrink=False)
    assert np.isnan(own[:5]).all()
    shrunken = estimate_overdispersion(counts)
    assert np.isfinite(shrunken).all()
    assert (shrunken >= 0).all()
    nothing = estimate_overdispersion(np.eye(5, dtype=int))
    np.testing.assert_array_equal(nothing, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": [[-1, 2], [1, 1]]}, "negative"),
        ({"counts": [[0.5, 2], [1, 1]]}, "fractional"),
        ({"counts": [[0, 0], [1, 1]]}, "two cells with counts"),
        ({"groups": [0]}, "2 cells"),
        ({"groups": [0, 1]}, "group of its own"),
        ({"size_factors": [1.0]}, "2 cells"),
        ({"size_factors": [1.0, -1.0]}, "not negative"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        estimate_overdispersion(**{"counts": [[1, 2], [3, 4]], **arguments})
