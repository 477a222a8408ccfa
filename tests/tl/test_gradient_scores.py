from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi._view import View
from scpi.attribution import attribute_cells
from scpi.de import log_means, log_ratios, shrink_effects, shrink_fold_changes
from scpi.tl._gradient_input import GradientInput
from scpi.tl._gradient_scores import _logits, decoder_scores, network_scores

NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def codes():
    return np.random.default_rng(1).permutation(np.repeat([0, 1, 2, -1], [60, 40, 30, 10]))


@pytest.fixture(scope="module")
def given(codes):
    rng = np.random.default_rng(0)
    rate = np.full((140, 12), 3.0)
    for group in range(3):
        rate[codes == group, 3 * group : 3 * group + 3] *= 3.0
    rate[:, 11] = 0.0
    labels = pd.Categorical.from_codes(codes, NAMES)
    adata = ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    return GradientInput(View.of(adata), adata.X, labels, "group", False, None)


@pytest.fixture(scope="module")
def effect(given, codes):
    return shrink_effects(*log_means(given.counts, codes)).effect


def test_over_the_level_the_decoder_has_the_effects_on_it_in_log2(given, codes, effect):
    found = decoder_scores(given, codes, NAMES, "median", score="mean")
    np.testing.assert_allclose(found.scores, effect / np.log(2.0))
    np.testing.assert_array_equal(found.extra["effect"], found.scores)
    assert found.scores.argmax(axis=1).tolist() == [
        group * 3 + int(effect[group, 3 * group : 3 * group + 3].argmax()) for group in range(3)
    ]
    estimate, std_error = log_means(given.counts, codes)
    base = shrink_effects(estimate, std_error).base
    np.testing.assert_allclose(found.fold_changes, (estimate - base) / np.log(2.0))


@pytest.mark.parametrize(("reference", "code"), [("rest", None), ("b", 1)])
def test_over_other_cells_it_has_shrunken_fold_changes(given, codes, reference, code):
    found = decoder_scores(given, codes, NAMES, reference, score="mean")
    rows = [row for row in range(3) if row != code]
    ratio, std_error = log_ratios(given.counts, codes, reference=code)
    shrunken = shrink_fold_changes(ratio[rows], std_error[rows])
    np.testing.assert_allclose(found.scores[rows], shrunken.effect / np.log(2.0))
    np.testing.assert_allclose(found.extra["false_sign_rate"][rows], shrunken.false_sign_rate)
    np.testing.assert_allclose(found.fold_changes, ratio / np.log(2.0))
    if code is not None:
        assert (found.scores[code] == 0).all() and (found.extra["probability"][code] == 0).all()


def test_the_limit_is_that_of_the_credible_interval(given, codes):
    found = decoder_scores(given, codes, NAMES, "rest")
    shrunken = shrink_fold_changes(*log_ratios(given.counts, codes))
    lower, upper = shrunken.effect - 1.96 * shrunken.std_dev, shrunken.effect + 1.96 * shrunken.std_dev
    wanted = np.where(lower > 0, lower, np.where(upper < 0, upper, 0.0))
    np.testing.assert_allclose(found.scores, wanted / np.log(2.0), atol=1e-12)
    assert (found.scores == 0).any() and (found.scores > 0).any() and (found.scores < 0).any()


def test_evidence_of_a_cell_is_its_counts_times_the_effect(given, codes, effect):
    cells = decoder_scores(given, codes, NAMES, "median").of_cells()
    x = given.counts.toarray()
    expected = np.where((codes >= 0)[:, None], x * effect[codes], 0.0)
    np.testing.assert_allclose(cells.toarray(), expected, rtol=1e-6)
    # Nothing becomes dense
    assert cells.nnz == given.counts.nnz


@pytest.fixture(scope="module")
def of_network(given, codes):
    def run(reference, **options):
        return network_scores(given, codes, NAMES, reference, model=None, method="gradient", seed=0, options=options)

    return run


def test_a_network_scores_each_group_against_the_reference(of_network, given):
    found = of_network("rest", spread=True)
    assert found.scores.shape == (3, 12)
    for group in range(3):
        assert set(np.argsort(-found.scores[group])[:3]) == set(range(3 * group, 3 * group + 3))
    # A gene without counts has no score, whatever weights it was drawn
    assert (found.scores[:, 11] == 0).all()
    assert set(found.extra) == {"mean_abs", "std"}
    assert (found.extra["mean_abs"] >= np.abs(found.scores) - 1e-6).all()
    against = of_network("c")
    assert np.isnan(against.scores[2]).all() and np.isfinite(against.scores[:2]).all()


def test_scores_are_the_means_of_those_of_the_cells(of_network, codes):
    found = of_network("rest")
    cells = np.asarray(found.of_cells())
    for group in range(3):
        np.testing.assert_allclose(
            cells[codes == group, :11].mean(axis=0), found.scores[group, :11], rtol=1e-3, atol=1e-5
        )


def test_without_a_model_the_logits_are_those_of_a_classifier(given, codes):
    first, again, other = (_logits(given, codes, NAMES, model=None, seed=seed) for seed in (0, 0, 1))
    cells = given.counts[:3]
    values = [attribute_cells(target, cells, "a").values for target in (first, again, other)]
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.allclose(values[0], values[2])
