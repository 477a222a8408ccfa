from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi._view import View
from scpi.de._sample_models import Question, comparison_table, fit_samples, warn_of_strong_priors

ASKED = {"groupby": "group", "sample_key": "donor", "min_cells": 1}


@pytest.fixture
def cells():
    """Cells of six donors in two groups and two kinds; the groups differ between donors."""
    donor = np.repeat(np.arange(6), 8)
    obs = pd.DataFrame(
        {
            "donor": donor.astype(str),
            "group": np.array(["a", "b"])[donor % 2],
            "kind": np.array(["B", "T"])[np.arange(48) % 2],
            "dose": donor.astype(float),
        }
    )
    obs.index = obs.index.astype(str)
    return ad.AnnData(np.random.default_rng(0).poisson(3.0, (48, 5)).astype(np.float32), obs=obs)


def fit(cells, **question):
    """The counts, designs and comparisons that a fit is given."""
    given = []
    asked, fitted = fit_samples(
        View.of(cells), Question(**(ASKED | question)), lambda *arguments: given.append(arguments) or len(given)
    )
    return asked, fitted, given


def test_a_fit_is_given_sums_design_and_comparisons(cells):
    asked, fitted, [(counts, design, (split,), obs)] = fit(cells, reference="a")
    sums = pd.DataFrame(cells.X).groupby(cells.obs["donor"].to_numpy()).sum().to_numpy()
    np.testing.assert_array_equal(counts.toarray() if hasattr(counts, "toarray") else counts, sums)
    np.testing.assert_allclose(design.matrix, np.eye(2)[np.arange(6) % 2])
    assert split.matrix.toarray().tolist() == [[-1.0], [1.0]]
    assert obs["donor"].tolist() == list("012345")
    assert (asked.reference, fitted[0].fit, fitted[0].name) == ("a", 1, None)
    assert comparison_table(fitted).to_dict("records") == [
        {
            "group": "b",
            "split": "all",
            "label": "b",
            "contrast": "b - a",
            "n_samples": 3,
            "n_reference": 3,
            "n_donors": 6,
            "n_paired": 0,
            "df_residual": 4,
        }
    ]


def test_each_split_is_fitted_apart_or_all_together(cells):
    _, fitted, given = fit(cells, contrasts="b - a", split_by="kind")
    assert comparison_table(fitted)["group"].tolist() == ["B | b - a", "T | b - a"]
    assert [len(counts) if isinstance(counts, np.ndarray) else counts.shape[0] for counts, *_ in given] == [6, 6]
    _, fitted, given = fit(cells, contrasts="b - a", split_by="kind", joint=True)
    assert comparison_table(fitted)["group"].tolist() == ["B | b - a", "T | b - a"]
    assert [counts.shape[0] for counts, *_ in given] == [12]
    _, fitted, _ = fit(cells, coef="dose", covariates=["dose"], split_by="kind", joint=True)
    assert comparison_table(fitted)["group"].tolist() == ["dose"]


def test_a_formula_needs_no_groups(cells):
    _, fitted, [(_, design, *_)] = fit(cells, groupby=None, formula="~ dose", coef="dose")
    assert design.names == ("Intercept", "dose")
    np.testing.assert_allclose(design.matrix[:, 1], np.arange(6.0), rtol=1e-11)
    assert comparison_table(fitted)["n_samples"].tolist() == [6]


def test_a_number_that_is_a_group_is_no_slope(cells):
    with pytest.warns(UserWarning, match="'dose' holds numbers, and is a group for each .* give coef='dose'"):
        fit(cells, groupby="dose", formula="~ dose", contrasts="`1.0` - `0.0`", sample_key=["donor", "kind"])


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({}, "Give one of `reference`, `contrasts` and `coef`"),
        ({"groupby": None, "coef": "dose"}, "Name the column of the groups, `groupby`, or give a `formula`"),
        ({"reference": "a", "formula": "~ group", "covariates": "dose"}, "give one of the two"),
        ({"reference": "a", "joint": True}, "`joint` is about the splits"),
        ({"contrasts": "a - q"}, "has 'q', which is unknown: write it as in .* of these names: 'a', 'b'"),
        ({"formula": "~ group", "coef": "dose"}, "`coef` is 'dose', but the design has the terms '1', 'group'"),
        ({"reference": "a", "groups": "b", "min_cells": 9}, "None of the 6 samples .* has 9 cells"),
    ],
)
def test_questions_that_cannot_be_answered(cells, question, message):
    with pytest.raises(ValueError, match=message):
        fit(cells, **question)


def test_a_contrast_of_groups_that_a_split_lacks_is_left_out_there(cells):
    cells = cells[(cells.obs["kind"] == "T") | (cells.obs["group"] == "a")].copy()
    with pytest.warns(UserWarning, match=r"Left out 'B' of 'kind'. Nothing can be tested: no samples .* 'b - a'"):
        _, fitted, _ = fit(cells, contrasts="b - a", split_by="kind")
    assert comparison_table(fitted)["group"].tolist() == ["T | b - a"]
    with pytest.warns(UserWarning, match="Not tested.*'any group in B'"):
        fit(cells, contrasts="b - a", split_by="kind", joint=True)


@pytest.mark.parametrize("joint", [False, True])
def test_splits_without_a_sample_of_enough_cells_are_named(cells, joint):
    kind = cells.obs["kind"].to_numpy().copy()
    kind[::8], kind[1::8] = "rare", "sparse"
    cells.obs["kind"] = kind
    message = r"Left out of 'kind', as no sample of 2 cells or more \(`min_cells`\) is there: 'rare', 'sparse'\."
    with pytest.warns(UserWarning, match=message):
        _, fitted, _ = fit(cells, reference="a", split_by="kind", joint=joint, min_cells=2)
    assert [split.split for model in fitted for split in model.splits] == ["B", "T"]


@pytest.mark.parametrize(
    ("df_residual", "df_prior", "doubtful"),
    [(1, np.inf, True), (3, 20.1, True), (1, 19.9, False), (4, np.inf, False)],
)
def test_priors_that_outweigh_few_residuals_are_named(recwarn, df_residual, df_prior, doubtful):
    table = pd.DataFrame({"split": ["B", "T"], "df_residual": [df_residual, 8], "df_prior": [df_prior, np.inf]})
    warn_of_strong_priors(table)
    assert [str(one.message)[:34] for one in recwarn] == ["The p-values of 'B' may be far too"] * doubtful
