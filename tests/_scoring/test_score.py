from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scpi._scoring._metrics import METRICS, NAMES
from scpi._scoring._prediction import Prediction
from scpi._scoring._score import score
from scpi.metrics import perturbation_discrimination


def make(seed, *, context="", n=10):
    rng = np.random.default_rng(seed)
    change = rng.normal(0, 1, 8)
    x = rng.normal(3, 0.3, (4, n, 8)).astype(np.float32)
    x[:2] += change.astype(np.float32)
    return Prediction(real=x[0], predicted=x[1], start=x[2], reference=x[3], context=context)


def test_rows_are_in_the_order_of_conditions_and_metrics():
    rows = score((make(seed) for seed in range(3)), ["rmse", "discrimination", "pearson"])
    assert [list(row) for row in rows] == [["rmse", "discrimination", "pearson"]] * 3
    alone = [score([make(seed)], ["rmse"])[0]["rmse"] for seed in range(3)]
    assert [row["rmse"] for row in rows] == alone


def test_conditions_are_told_from_others_of_their_context():
    made = [
        make(0, context="a"),
        make(1, context="b"),
        make(2, context="a"),
        make(3, context="a"),
        make(4, context="c"),
    ]
    found = [row["discrimination"] for row in score(made, ["discrimination"])]
    own = [made[place] for place in (0, 2, 3)]
    expected = perturbation_discrimination(*(np.stack([one.change[side] for one in own]) for side in (0, 1)))
    assert [found[place] for place in (0, 2, 3)] == pytest.approx(list(expected))
    by_size = [row["discrimination_l1"] for row in score(made, ["discrimination_l1"])]
    changes = (np.stack([one.change[side] for one in own]) for side in (0, 1))
    assert [by_size[place] for place in (0, 2, 3)] == list(perturbation_discrimination(*changes, metric="l1"))
    # One condition alone has none to be told from
    assert np.isnan([found[1], found[4]]).all()


def test_what_is_not_there_has_no_value():
    row = score([make(0, n=1)], list(NAMES))[0]
    for name, value in row.items():
        of_means = name in METRICS and METRICS[name].space == "means" and name != "pearson_perturbed"
        assert np.isfinite(value) is np.bool_(of_means), name


def shift(real, predicted, targets=()):
    """Two cells of each kind, whose means are these and 0 for the controls."""
    spread = np.array([[-1.0], [1.0]])
    zero = np.zeros(len(real)) + spread
    cells = {"real": real + spread, "predicted": predicted + spread, "start": zero, "reference": zero}
    return Prediction(**cells, targets=np.array(targets, dtype=np.intp))


A, B, C = ((4.0, 0.0, 2.0, 0.0), (0.0, 6.0, 0.0, 2.0), (0.0, 0.0, 2.0, 2.0))


def test_a_condition_is_scored_without_its_targets():
    """Errors of (4, 1, 0, 1) and (1, 2, 2, 0), of which the first and the second gene are left out."""
    a, b = (
        shift(np.array(A), np.array([0.0, 1.0, 2.0, 1.0]), [0]),
        shift(np.array(B), np.array([1.0, 4.0, 2.0, 2.0]), [1]),
    )
    found = [row["mae"] for row in score([a, b, replace(a, targets=b.targets)], ["mae"])]
    assert found == pytest.approx([2 / 3, 1.0, 5 / 3])
    assert score([a], ["mae"]) != score([replace(a, targets=a.targets[:0])], ["mae"])


def test_conditions_are_told_apart_without_the_targets_of_any():
    """A model that knows the targets alone tells nothing apart, though each is right in its own."""
    known = [shift(np.array(x), np.array(y), [place]) for x, y, place in ((A, (4, 0, 0, 0), 0), (B, (0, 6, 0, 0), 1))]
    alone = [
        row["discrimination"]
        for row in score([replace(one, targets=np.array([], int)) for one in known], ["discrimination"])
    ]
    assert alone == [1.0, 1.0]
    names = ["discrimination", "centroid_accuracy"]
    # Without genes 0 and 1 both predictions are no change, which is as far from the one as from the other
    assert [list(row.values()) for row in score(known, names)] == [[0.5, 0.0], [0.5, 0.0]]
    # A further condition without targets is compared in the genes that are left, 2 and 3
    third = shift(np.array(C), np.array([9.0, 9.0, 2.0, 2.0]))
    assert [row["discrimination"] for row in score([*known, third], ["discrimination"])] == [0.5, 0.5, 1.0]


def test_nothing_is_left_out_where_no_gene_is_a_target():
    one = make(0)
    assert one.without_targets() is one


def test_everything_that_has_genes_loses_the_targets():
    rng = np.random.default_rng(0)
    x = rng.normal(3, 1, (4, 6, 5))
    extra = {"perturbed_mean": np.arange(5.0), "components": rng.normal(size=(5, 2)), "others": lambda: x[0]}
    one = Prediction(real=x[0], predicted=x[1], start=x[2], reference=x[3], targets=np.array([1, 3]), **extra)
    kept, left = [0, 2, 4], one.without_targets()
    np.testing.assert_array_equal(left.change, np.stack(one.change)[:, kept])
    np.testing.assert_array_equal(left.deviation, np.stack(one.deviation)[:, kept])
    np.testing.assert_array_equal(left.others(), x[0][:, kept])
    np.testing.assert_allclose(left.projected[0], x[0][:, kept] @ extra["components"][kept], rtol=1e-6)
    every = replace(one, targets=np.arange(5))
    assert np.isnan(list(score([every, every], list(NAMES))[0].values())).all()
