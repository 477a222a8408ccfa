from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.tl._conditions import (
    Condition,
    find_contexts,
    find_doses,
    find_labels,
    tabulate,
    warn_of_extrapolation,
)


def screen():
    """Cells of two contexts; one perturbation at three doses, one at a single dose."""
    rows = [
        (label, context, dose)
        for context in ("T", "B")
        for label, doses in {"control": [0.0], "A": [1.0, 10.0, 100.0], "B": [10.0], "A+B": [10.0]}.items()
        for dose in doses
        for _ in range(4)
    ]
    obs = pd.DataFrame(rows, columns=["perturbation", "cell_type", "dose"], index=[f"c{i}" for i in range(len(rows))])
    return ad.AnnData(np.random.default_rng(0).random((len(rows), 3), dtype=np.float32), obs=obs)


def train(**setup):
    adata = screen()
    scpi.model.MeanDelta.setup_anndata(adata, **setup)
    model = scpi.model.MeanDelta(adata)
    model.train(train_size=1.0)
    return model


@pytest.fixture(scope="module")
def model():
    return train(context_key="cell_type", dose_key="dose")


@pytest.fixture(scope="module")
def plain():
    return train()


def test_labels_are_those_of_the_model_each_once(model):
    assert find_labels(model, "B+A") == ["A+B"]
    assert find_labels(model, ["B", "A"]) == ["B", "A"]
    for given, message in (
        (["A+B", "B+A"], "each once"),
        ([], "at least one"),
        (["A", "control"], "contains the control"),
    ):
        with pytest.raises(ValueError, match=message):
            find_labels(model, given)
    with pytest.raises(ValueError, match="'Z'"):
        find_labels(model, "A+Z")


def test_contexts_are_those_with_controls_unless_named(model, plain):
    assert find_contexts(model, model.adata, None, None) == ["B", "T"]
    assert find_contexts(model, model.adata, ["T"], None) == ["T"]
    cells = np.flatnonzero(model.adata.obs["cell_type"] == "T")
    assert find_contexts(model, model.adata, None, cells) == ["T"]
    assert find_contexts(plain, plain.adata, None, None) == [None]
    for context, message in ((["T", "T"], "each once"), ([], "at least one"), ("liver", "'liver'")):
        with pytest.raises(ValueError, match=message):
            find_contexts(model, model.adata, context, None)


def test_doses_are_the_measured_ones_unless_given(model, plain):
    assert find_doses(model, model.adata, ["A", "A+B"], None, 0) == {"A": [1.0, 10.0, 100.0], "A+B": [10.0]}
    assert find_doses(model, model.adata, ["A", "B"], [5, 2, 5], 0) == {"A": [2.0, 5.0], "B": [2.0, 5.0]}
    assert find_doses(plain, plain.adata, ["A"], None, 0) == {"A": [None]}


def test_doses_between_are_at_equal_distances_on_the_scale_of_log1p(model):
    (found,) = find_doses(model, model.adata, ["A"], None, 3).values()
    assert len(found) == 3 + 2 * 3
    logs = np.log1p(found)
    np.testing.assert_allclose(np.diff(logs), np.repeat(np.diff(np.log1p([1, 10, 100])) / 4, 4), rtol=1e-5)
    assert {1.0, 10.0, 100.0} < set(found)


@pytest.mark.parametrize(
    ("dose", "n_between", "message"),
    [(-1.0, 0, "finite numbers of at least 0"), ([], 0, "finite"), (np.nan, 0, "finite"), (None, -1, "`n_between`")],
)
def test_doses_that_cannot_be_are_refused(model, plain, dose, n_between, message):
    with pytest.raises(ValueError, match=message):
        find_doses(model, model.adata, ["A"], dose, n_between)
    with pytest.raises(ValueError, match="without `dose_key`"):
        find_doses(plain, plain.adata, ["A"], 1.0, 0)


def test_doses_beyond_the_measured_ones_are_warned_of(model):
    with pytest.warns(UserWarning, match="2 of 3 doses, such as 1000, lie outside of the measured range, 1 to 100"):
        warn_of_extrapolation(model, {"A": [0.5, 10.0, 1000.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_extrapolation(model, {"A": [0.0, 1.0, 100.0], "B": [None]})


def test_names_and_tables_have_what_is_registered():
    assert Condition("A", None, None).name == "A"
    assert Condition("A+B", "T", 0.1).name == "T: A+B @ 0.1"
    # In as many digits as tell it from others
    assert Condition("A", None, 0.1234567891).name == "A @ 0.1234567891"
    table = tabulate([Condition("A", "T", None), Condition("B", "T", None)])
    assert table.to_dict("list") == {"perturbation": ["A", "B"], "context": ["T", "T"]}
    assert tabulate([Condition("A", None, 2.0)]).to_dict("list") == {"perturbation": ["A"], "dose": [2.0]}
