import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi.de import log_means, log_ratios


def filled(counts, depth=10_000):
    """Counts with a gene that takes up the rest, so that all cells have the same depth."""
    return np.column_stack([counts, depth - counts.sum(axis=1)])


def test_closed_form_for_equal_depths():
    counts = filled(np.array([[4, 0], [2, 0], [6, 0], [1, 3], [3, 0], [9, 0]]))
    codes = np.array([0, 0, 0, 1, 1, 2])
    found, std_error = log_ratios(counts, codes)
    _, of_means = log_means(counts, codes)
    # Half a count in the smaller of both, and the same rate in the other
    wanted = [np.log((12 + 0.5) / 3) - np.log(13 / 3 + 0.5 / 3), np.log(4 / 2 + 0.5 / 2) - np.log(21 / 4 + 0.5 / 2)]
    np.testing.assert_allclose(found[:2, 0], wanted)
    assert (std_error > of_means).all()
    against, std_error = log_ratios(counts, codes, reference=1)
    assert (against[1] == 0).all()
    np.testing.assert_allclose(against[0, 0], np.log(4 + 0.25) - np.log(2 + 0.25))
    np.testing.assert_allclose(std_error[0, 0] ** 2, of_means[0, 0] ** 2 + of_means[1, 0] ** 2)


def test_a_gene_that_no_cell_has_does_not_differ_however_small_a_group():
    counts = filled(np.zeros((500, 1), dtype=int))
    found, std_error = log_ratios(counts, np.where(np.arange(500) < 3, 0, 1))
    np.testing.assert_allclose(found[:, 0], 0.0, atol=1e-12)
    assert (std_error[:, 0] > 1).all()


@pytest.mark.parametrize("overdispersion", [0.0, 0.5])
def test_standard_errors_are_those_of_repetitions(overdispersion):
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [40, 100, 60])
    mean = np.array([2.0, 1.0, 4.0])[codes, None]
    shape = len(codes), 400
    gamma = rng.gamma(1 / overdispersion, overdispersion, shape) if overdispersion else np.ones(shape)
    counts = filled(rng.poisson(mean * gamma), 10**5)
    found, std_error = log_ratios(counts, codes)
    truth = np.log(2.0 / ((100 * 1.0 + 60 * 4.0) / 160))
    assert found[0, :-1].mean() == pytest.approx(truth, abs=0.03)
    assert found[0, :-1].std() == pytest.approx(std_error[0, :-1].mean(), rel=0.12)


@pytest.mark.parametrize("kind", ["category", "number"])
def test_covariates_are_taken_out(kind):
    rng = np.random.default_rng(0)
    n, n_genes = 1200, 60
    batch = np.arange(n) % 2
    # Nine of ten cells of a batch are of one group
    codes = np.where(rng.random(n) < 0.9, batch, 1 - batch)
    level, effect = rng.normal(1.0, 0.5, n_genes), np.where(np.arange(n_genes) < 10, 0.8, 0.0)
    shift = rng.normal(0, 0.5, n_genes)
    counts = filled(rng.poisson(np.exp(level + effect * codes[:, None] + shift * batch[:, None])), 10**6)
    column = pd.Series(batch.astype(float) if kind == "number" else np.array(["x", "y"])[batch], name="batch")
    adjusted, std_error = log_ratios(counts, codes, reference=0, covariates=column.to_frame())
    plain, plain_error = log_ratios(counts, codes, reference=0)
    error, plain_of = adjusted[1, :-1] - effect, plain[1, :-1] - effect
    assert np.sqrt(np.square(error).mean()) < 0.25 * np.sqrt(np.square(plain_of).mean())
    # Groups and batches are hard to tell apart: the variance is 1 / (1 - r^2) times as large
    assert np.median(std_error[1] / plain_error[1]) == pytest.approx(1 / np.sqrt(1 - 0.8**2), rel=0.12)
    assert np.square(error / std_error[1, :-1]).mean() == pytest.approx(1.0, abs=0.4)
    rest, _ = log_ratios(counts, codes, covariates=column.to_frame())
    np.testing.assert_allclose(rest[1], adjusted[1], atol=1e-3)


def test_sparse_is_dense_and_cells_without_a_group_are_left_out():
    rng = np.random.default_rng(0)
    counts, codes = rng.poisson(1.0, (60, 7)), np.arange(60) % 3 - 1
    covariates = pd.DataFrame({"batch": rng.choice(["x", "y"], 60), "age": rng.normal(size=60)})
    for given in (None, covariates):
        dense = log_ratios(counts, codes, covariates=given)
        for found, wanted in zip(log_ratios(sparse.csr_matrix(counts), codes, covariates=given), dense, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        ([0, 0, 0, 0], {}, "at least two groups"),
        ([0, 0, 1, 1], {"reference": 2}, "from 0 to 1, but is 2"),
        ([0, 0, 2, 2], {}, "group 1 has none"),
        (
            [0, 0, 1, 1],
            {"covariates": pd.DataFrame({"lane": list("aabb")})},
            "'lane' are the same in all cells of each",
        ),
        ([0, 0, 1, 1], {"covariates": pd.DataFrame({"lane": [1.0, np.nan, 2.0, 3.0]})}, "missing values: 'lane'"),
    ],
)
def test_bad_input(codes, options, message):
    with pytest.raises(ValueError, match=message):
        log_ratios([[1, 2], [2, 1], [3, 3], [1, 1]], codes, **options)


def test_a_covariate_that_does_not_vary_changes_nothing():
    counts, codes = np.random.default_rng(0).poisson(2.0, (20, 4)), np.arange(20) % 2
    given = pd.DataFrame({"lane": ["a"] * 20, "age": 3.0})
    for found, wanted in zip(log_ratios(counts, codes, covariates=given), log_ratios(counts, codes), strict=True):
        np.testing.assert_array_equal(found, wanted)
