"""Divisions of cells, on a screen small enough to count."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpi.benchmark.splits import leave_combinations_out, leave_context_out, leave_doses_out, random_cells


def make(*, n_control: int = 6, contexts: tuple[str, ...] = ("B", "NK", "T"), rng: int = 0) -> ad.AnnData:
    """A screen with controls, two perturbations at two doses and their combination in every context."""
    rows = []
    for context in contexts:
        rows += [("control", context, 0.0)] * n_control
        rows += [(label, context, dose) for label in ("P", "Q", "Q+P") for dose in (0.5, 1.0, 2.0) for _ in range(2)]
    obs = pd.DataFrame(rows, columns=["perturbation", "cell_type", "dose"])
    obs = obs.iloc[np.random.default_rng(rng).permutation(len(obs))].reset_index(drop=True)
    obs.index = [f"cell{i}" for i in range(len(obs))]
    return ad.AnnData(np.zeros((len(obs), 1), dtype=np.float32), obs=obs)


def check(split, adata):
    """What holds of every split with controls set aside."""
    control = adata.obs["perturbation"].to_numpy() == "control"
    parts = np.concatenate([split.train, split.test, split.reference])
    np.testing.assert_array_equal(np.sort(parts), np.arange(adata.n_obs))
    assert set(split.start) <= set(split.train)
    assert control[split.start].all() and control[split.reference].all() and not control[split.test].any()


def test_a_context_is_left_out_with_half_of_its_controls():
    adata = make()
    splits = leave_context_out(adata, context_key="cell_type")
    assert [split.name for split in splits] == ["B", "NK", "T"]
    for split in splits:
        check(split, adata)
        cell_type = adata.obs["cell_type"].to_numpy()
        assert (
            set(cell_type[split.test]) == set(cell_type[split.start]) == set(cell_type[split.reference]) == {split.name}
        )
        assert (len(split.test), len(split.start), len(split.reference)) == (18, 3, 3)


def test_all_controls_can_serve_for_both():
    split = leave_context_out(make(), context_key="cell_type", reference_fraction=0)[0]
    np.testing.assert_array_equal(split.start, split.reference)
    assert len(split.start) == 6 and set(split.start) <= set(split.train)


def test_a_split_within_a_split_does_not_see_the_test_cells():
    adata = make()
    outer = leave_context_out(adata, context_key="cell_type")[0]
    inner = leave_context_out(adata, context_key="cell_type", cells=outer.train)
    assert [split.name for split in inner] == ["NK", "T"]
    for split in inner:
        parts = np.concatenate([split.train, split.test, split.reference])
        np.testing.assert_array_equal(np.sort(parts), outer.train)


def test_combinations_are_left_out_whole():
    adata = make()
    (split,) = leave_combinations_out(adata, combinations=["P+Q"])
    check(split, adata)
    assert split.name == "P+Q"
    assert set(adata.obs["perturbation"].iloc[split.test]) == {"Q+P"} and len(split.test) == 18


def test_parts_of_combinations_cover_all_of_them_once():
    adata = make()
    more = adata.copy()
    more.obs["perturbation"] = more.obs["perturbation"].replace({"P": "P+R", "Q": "R+S"})
    splits = leave_combinations_out(more, n_splits=3)
    labels = [set(more.obs["perturbation"].iloc[split.test]) for split in splits]
    assert sorted(label for part in labels for label in part) == ["P+R", "Q+P", "R+S"]
    assert [split.name for split in splits] == ["part 1 of 3", "part 2 of 3", "part 3 of 3"]


def test_only_doses_between_others_are_left_out():
    adata = make()
    (split,) = leave_doses_out(adata, dose_key="dose")
    check(split, adata)
    assert split.name == "1" and set(adata.obs["dose"].iloc[split.test]) == {1.0} and len(split.test) == 18
    assert [s.name for s in leave_doses_out(adata, dose_key="dose", doses=[2, 0.5])] == ["0.5", "2"]


def test_random_cells_are_drawn_in_every_condition():
    adata = make()
    splits = random_cells(adata, test_size=0.5, n_splits=2, context_key="cell_type", dose_key="dose")
    for split in splits:
        check(split, adata)
        drawn = adata.obs.iloc[split.test].groupby(["cell_type", "perturbation", "dose"]).size()
        assert (drawn == 1).all() and len(drawn) == 27
        assert adata.obs["cell_type"].iloc[split.reference].value_counts().tolist() == [3, 3, 3]
    assert not np.array_equal(splits[0].test, splits[1].test)


@given(share=st.floats(0.2, 0.8), seed=st.integers(0, 1000))
def test_the_same_seed_gives_the_same_split(share, seed):
    first, again = (
        leave_context_out(make(), context_key="cell_type", reference_fraction=share, rng=seed) for _ in "ab"
    )
    for split, other in zip(first, again, strict=True):
        check(split, make())
        np.testing.assert_array_equal(split.reference, other.reference)


def test_cells_without_a_label_are_in_no_part():
    adata = make()
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(object)
    adata.obs.loc["cell0", "cell_type"] = None
    for split in leave_context_out(adata, context_key="cell_type"):
        assert 0 not in np.concatenate([split.train, split.test, split.reference])


@pytest.mark.parametrize(
    ("function", "kwargs", "message"),
    [
        (leave_context_out, {"context_key": "one"}, r"has 1 context\(s\) with perturbed cells: at least two"),
        (leave_context_out, {"context_key": "cell_type", "contexts": "liver"}, r"no context 'liver'.*'B', 'NK', 'T'"),
        (leave_combinations_out, {"combinations": ["P+X"]}, r"no combination 'P\+X'.*'P\+Q'"),
        (leave_combinations_out, {"n_splits": 2}, "between 1 and the number of combinations, 1, but is 2"),
        (
            leave_doses_out,
            {"dose_key": "dose", "doses": [7.0]},
            r"no dose \[7.0\] to leave out, only \[0.5, 1.0, 2.0\]",
        ),
        (random_cells, {"test_size": 1.0}, "`test_size` must be between 0 and 1"),
        (random_cells, {"control": "vehicle"}, "There is no control cell.*the control is 'vehicle'"),
    ],
)
def test_questions_that_cannot_be_asked(function, kwargs, message):
    adata = make()
    adata.obs["one"] = "same"
    with pytest.raises(ValueError, match=message):
        function(adata, **kwargs)


def test_a_context_without_controls_enough_is_passed_over_or_named():
    adata = make()
    controls = np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["cell_type"] == "NK"))
    few = adata[np.setdiff1d(np.arange(adata.n_obs), controls[1:])].copy()
    assert [split.name for split in leave_context_out(few, context_key="cell_type")] == ["B", "T"]
    with pytest.raises(ValueError, match=r"There are 1 control cell\(s\) of 'NK', but at least 2"):
        leave_context_out(few, context_key="cell_type", contexts=["NK"])
