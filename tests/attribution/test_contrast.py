"""Margins of one output over others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from scpi.attribution import AttributionTarget, attribute_groups, contrast

SCORES = np.random.default_rng(0).normal(size=(7, 5))


@pytest.fixture
def scores():
    return AttributionTarget(lambda x: x, lambda x: x, list("abcde"), kind="logit")


def others(k):
    return np.delete(SCORES, k, axis=1)


@pytest.mark.parametrize(
    ("reference", "of_others"),
    [
        ("rest", lambda k: logsumexp(others(k), axis=1)),
        ("mean", lambda k: others(k).mean(axis=1)),
        ("median", lambda k: np.median(others(k), axis=1)),
    ],
)
def test_the_others_are_summed_up(scores, reference, of_others):
    found = contrast(scores, reference=reference)
    assert found.names == list("abcde")
    expected = np.stack([SCORES[:, k] - of_others(k) for k in range(5)], axis=1)
    np.testing.assert_allclose(found.function(torch.from_numpy(SCORES)), expected)
    assert found.kind == f"logit over {reference}"


def test_the_median_of_an_odd_number(scores):
    target = AttributionTarget(lambda x: x[:, :4], lambda x: x, list("abcd"), kind="logit")
    found = contrast(target, "a", reference="median").function(torch.from_numpy(SCORES))
    np.testing.assert_allclose(found[:, 0], SCORES[:, 0] - np.median(SCORES[:, 1:4], axis=1))


def test_one_output_is_subtracted(scores):
    found = contrast(scores, reference="b")
    assert found.names == list("acde")
    np.testing.assert_allclose(found.function(torch.from_numpy(SCORES)), SCORES[:, [0, 2, 3, 4]] - SCORES[:, [1]])


def test_some_outputs(scores):
    found = contrast(scores, ["d", "a"])
    everything = contrast(scores).function(torch.from_numpy(SCORES))
    np.testing.assert_allclose(found.function(torch.from_numpy(SCORES)), everything[:, [3, 0]])


def test_the_margin_is_the_log_odds():
    """Of a softmax: log p - log(1 - p)."""
    target = contrast(AttributionTarget(lambda x: x, lambda x: x, list("abcde"), kind="logit"))
    p = torch.softmax(torch.from_numpy(SCORES), 1)
    np.testing.assert_allclose(target.function(torch.from_numpy(SCORES)), torch.logit(p))


def test_gradients_of_margins_are_finite_where_an_output_is_far_ahead(scores):
    x = np.array([[500.0, 0.0, 0.0, 0.0, 0.0]])
    found = attribute_groups(contrast(scores), x, [0], outputs="all")
    np.testing.assert_allclose(found.mean[0, 0], [1.0, -0.25, -0.25, -0.25, -0.25], atol=1e-6)
    np.testing.assert_allclose(found.mean[0, 1], [-1.0, 1.0, 0.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("reference", ["rest", "mean", "median", "class_2"])
def test_the_projection_goes_with_the_contrast(network, make_target, counts, reference):
    codes = np.arange(60) % 3
    of_genes, of_hidden = (
        attribute_groups(contrast(make_target(network, projected=projected), reference=reference), counts, codes)
        for projected in (False, True)
    )
    np.testing.assert_allclose(of_hidden.mean, of_genes.mean, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": "f"}, "no output 'f', only 'a'"),
        ({"reference": "all"}, "'rest', 'mean', 'median' or an output"),
        ({"outputs": ["a", "b"], "reference": "b"}, "the reference 'b' itself"),
    ],
)
def test_bad_input_is_named(scores, arguments, message):
    with pytest.raises(ValueError, match=message):
        contrast(scores, **arguments)


def test_one_output_has_no_others():
    target = AttributionTarget(lambda x: x, lambda x: x, ["a"], kind="logit")
    with pytest.raises(ValueError, match="nothing to compare"):
        contrast(target)
