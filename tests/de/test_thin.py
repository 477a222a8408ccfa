from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.de import thin


def negative_binomial(rng, mean, overdispersion, shape):
    rate = (
        mean * rng.gamma(1.0 / overdispersion, overdispersion, size=shape) if overdispersion else np.full(shape, mean)
    )
    return rng.poisson(rate)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.parametrize("overdispersion", [0.0, 0.7])
def test_the_parts_add_up(convert, overdispersion):
    counts = np.random.default_rng(0).poisson(0.5, size=(200, 30)).astype(np.float32)
    train, test = thin(convert(counts), overdispersion=overdispersion, rng=0)
    for part in (train, test):
        assert part.dtype == np.float32
        assert sparse.issparse(part) == sparse.issparse(convert(counts))
        if sparse.issparse(part):
            assert (part.data > 0).all()
            part = part.toarray()
        assert part.min() >= 0
        assert 0.4 < part.sum() / counts.sum() < 0.6
    total = train + test
    np.testing.assert_array_equal(total.toarray() if sparse.issparse(total) else total, counts)


@pytest.mark.parametrize("fraction", [0.5, 0.2])
@pytest.mark.parametrize("overdispersion", [0.0, 0.2, 2.0])
def test_both_parts_are_negative_binomial_and_independent(fraction, overdispersion):
    rng = np.random.default_rng(1)
    counts = negative_binomial(rng, 3.0, overdispersion, (100_000, 1))
    train, test = (part.ravel() for part in thin(counts, fraction=fraction, overdispersion=overdispersion, rng=2))
    for part, share in ((train, fraction), (test, 1.0 - fraction)):
        if overdispersion:
            size = share / overdispersion
            model = stats.nbinom(size, size / (size + 3.0 * share))
        else:
            model = stats.poisson(3.0 * share)
        observed = np.bincount(np.minimum(part, 5), minlength=6)
        expected = len(part) * np.append(model.pmf(np.arange(5)), model.sf(4))
        assert stats.chisquare(observed, expected).pvalue > 0.005
    # Independent, not only uncorrelated
    table = np.histogram2d(np.minimum(train, 3), np.minimum(test, 3), bins=4)[0]
    assert stats.chi2_contingency(table).pvalue > 0.005


def test_the_wrong_overdispersion_leaves_the_parts_correlated():
    counts = negative_binomial(np.random.default_rng(0), 5.0, 0.5, (50_000, 1))
    correlation = {}
    for used in (0.0, 0.25, 0.5, 1.0):
        train, test = thin(counts, overdispersion=used, rng=1)
        correlation[used] = np.corrcoef(train.ravel(), test.ravel())[0, 1]
    # cov(train, test) under binomial splits: fraction (1 - fraction) (variance - mean) of the counts
    assert correlation[0.0] == pytest.approx(0.25 * 12.5 / (2.5 + 0.25 * 12.5), abs=0.02)
    assert correlation[0.25] > 0.1
    assert abs(correlation[0.5]) < 0.02
    assert correlation[1.0] < -0.1


def test_each_gene_has_its_own_overdispersion():
    rng = np.random.default_rng(0)
    counts = np.hstack([negative_binomial(rng, 5.0, a, (50_000, 1)) for a in (0.0, 2.0)])
    train, test = thin(sparse.csr_matrix(counts), overdispersion=[0.0, 2.0], rng=1)
    for gene in range(2):
        assert abs(np.corrcoef(train.toarray()[:, gene], test.toarray()[:, gene])[0, 1]) < 0.02


def test_the_same_seed_gives_the_same_split():
    counts = np.random.default_rng(0).poisson(3.0, size=(50, 10))
    np.testing.assert_array_equal(thin(counts, rng=3)[0], thin(counts, rng=3)[0])
    assert (thin(counts, rng=3)[0] != thin(counts, rng=4)[0]).any()


def test_a_count_stored_in_two_pieces_is_one_count():
    pieces = sparse.csr_matrix((np.full(2000, 3.0), np.zeros(2000, dtype=int), np.arange(0, 2001, 2)), shape=(1000, 1))
    assert not pieces.has_canonical_format
    train, test = thin(pieces, overdispersion=50.0, rng=0)
    # All or nothing at so large an overdispersion, of the whole count
    assert set(np.unique(train.toarray())) >= {0.0, 6.0}
    np.testing.assert_array_equal((train + test).toarray(), 6.0)
    assert np.mean(np.isin(train.toarray(), [0.0, 6.0])) > 0.9
    assert pieces.nnz == 2000


def test_without_counts_there_is_nothing_to_split():
    train, test = thin(sparse.csr_matrix((4, 3)), overdispersion=0.3, rng=0)
    assert train.nnz == test.nnz == 0
    assert train.shape == (4, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": [[-1.0]]}, "negative"),
        ({"counts": [[0.5]]}, "fractional"),
        ({"counts": [[np.nan]]}, "missing"),
        ({"counts": [1, 2]}, "rows x genes"),
        ({"fraction": 0.0}, "between 0 and 1"),
        ({"fraction": 1.0}, "between 0 and 1"),
        ({"fraction": np.nan}, "between 0 and 1"),
        ({"overdispersion": -0.1}, "not negative"),
        ({"overdispersion": np.inf}, "finite"),
        ({"overdispersion": [0.1, 0.2]}, r"1 genes, but has shape \(2,\)"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        thin(**{"counts": [[3]], **arguments})
