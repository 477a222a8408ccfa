"""Curves of outputs as genes come in or go."""

from __future__ import annotations

import numpy as np
import pytest

from scpi.attribution import attribute_cells, attribute_units, insertion_deletion


def test_a_linear_function_sums_its_largest_contributions(linear, counts):
    weight, target = linear
    x = counts.toarray().astype(float)
    mean = x.mean(0)
    contributions = weight.T[:, None] * (x - mean)
    found = insertion_deletion(target, counts, contributions, n_steps=5)
    assert found.share.tolist() == [0, 0.2, 0.4, 0.6, 0.8, 1]
    for k in range(4):
        total = contributions[k].sum(1)
        ordered = -np.sort(-contributions[k] * np.sign(total)[:, None], axis=1)
        sums = np.concatenate([np.zeros((60, 1)), ordered.cumsum(1)], axis=1)[:, ::6].sum(0) / np.abs(total).sum()
        np.testing.assert_allclose(found.insertion[k], sums, atol=1e-4)
        np.testing.assert_allclose(found.deletion[k], 1 - sums, atol=1e-4)
        np.testing.assert_allclose(
            found.insertion_auc[k], np.interp(np.linspace(0, 1, 501), found.share, sums).mean(), rtol=5e-3
        )


def test_slopes_are_multiplied_by_the_difference(linear, counts):
    weight, target = linear
    x = counts.toarray()
    of_cells = insertion_deletion(target, counts, weight.T[:, None] * x, baseline="zero")
    of_slopes = insertion_deletion(target, counts, weight.T, baseline="zero")
    np.testing.assert_allclose(of_slopes.insertion, of_cells.insertion, atol=1e-6)


def test_attributions_order_better_than_chance(smooth_target, counts):
    contributions = attribute_cells(smooth_target, counts, method="integrated_gradients").values
    found = insertion_deletion(smooth_target, counts, contributions)
    random = insertion_deletion(smooth_target, counts, None)
    wrong = insertion_deletion(smooth_target, counts, -contributions)
    for curves in (found, random, wrong):
        np.testing.assert_allclose(curves.insertion[:, [0, -1]], [[0, 1]] * 4, atol=1e-5)
        np.testing.assert_allclose(curves.deletion[:, [0, -1]], [[1, 0]] * 4, atol=1e-5)
    assert (found.insertion_auc > random.insertion_auc + 0.2).all()
    assert (random.insertion_auc > wrong.insertion_auc + 0.2).all()
    assert (found.deletion_auc < random.deletion_auc - 0.2).all()


def test_outputs_can_be_chosen(smooth_target, counts):
    slopes = attribute_units(smooth_target, counts).mean[0]
    whole = insertion_deletion(smooth_target, counts, slopes)
    part = insertion_deletion(smooth_target, counts, slopes[[2]], outputs=["class_2"])
    np.testing.assert_allclose(part.deletion, whole.deletion[[2]], atol=1e-6)


@pytest.mark.parametrize(
    ("attributions", "arguments", "message"),
    [
        (np.ones((4, 7)), {}, "outputs x cells x genes"),
        (None, {"baseline": "rest"}, "must be 'zero', 'mean' or 30 numbers, but is 'rest'"),
        (None, {"baseline": np.ones(3)}, "but is of shape"),
        (None, {"n_steps": 0}, "`n_steps` must be positive"),
        (None, {"outputs": ["x"]}, "no output 'x'"),
    ],
)
def test_bad_input_is_named(smooth_target, counts, attributions, arguments, message):
    with pytest.raises(ValueError, match=message):
        insertion_deletion(smooth_target, counts, attributions, **arguments)
