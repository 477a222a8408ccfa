from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi._view import View
from scpi.de._comparisons import Comparisons
from scpi.de._design import DesignError
from scpi.de._sample_design import Samples, Terms, build_model

pytestmark = pytest.mark.smoke("formulaic", "pandas")


def make(split_by=None):
    """Twelve samples: two of each of three groups in two cell types."""
    obs = pd.DataFrame(
        {
            "group": pd.Categorical(["a", "b", "c"] * 4, categories=["a", "b", "c", "never"]),
            "type": pd.Categorical(["B"] * 6 + ["T"] * 6),
            "donor": pd.Categorical(["d1", "d1", "d1", "d2", "d2", "d2"] * 2),
            "age": np.arange(12.0),
            "same": 1.0,
        }
    )
    return Samples(obs, "group", split_by)


def against(*groups):
    return Comparisons(list(groups), ["a", "b", "c"], ["a"])


def estimate(design, contrasts, y):
    """Contrasts of the least-squares coefficients."""
    groups, basis = design.project(y[:, None])
    return design.coefficients(groups, basis)[:, 0] @ contrasts.matrix.toarray()


def test_without_covariates_contrasts_are_differences_of_means():
    samples = make()
    design, (found,) = build_model(samples, against("c", "b"), covariates=[], formula=None)
    assert (found.split, found.names, found.n_samples, found.n_reference) == ("all", ["c", "b"], [4, 4], [4, 4])
    y = np.random.default_rng(0).normal(size=12)
    mean = pd.Series(y).groupby(samples.groups).mean()
    np.testing.assert_allclose(estimate(design, found, y), [mean["c"] - mean["a"], mean["b"] - mean["a"]])


def test_each_split_has_its_own_contrasts_and_groups():
    samples = make("type")
    # Type B loses its second group
    rows = np.flatnonzero(~((samples.splits == "B") & (samples.groups == "b")))
    design, found = build_model(samples.rows(rows), against("b", "c"), covariates=[], formula=None)
    assert [(one.split, one.names) for one in found] == [("B", ["c"]), ("T", ["b", "c"])]
    assert list(design.names)[:2] == ["B | a", "B | c"]
    y = np.random.default_rng(1).normal(size=len(rows))
    mean = pd.Series(y).groupby([samples.splits[rows], samples.groups[rows]]).mean()
    np.testing.assert_allclose(estimate(design, found[0], y), [mean["B", "c"] - mean["B", "a"]])
    np.testing.assert_allclose(
        estimate(design, found[1], y), [mean["T", "b"] - mean["T", "a"], mean["T", "c"] - mean["T", "a"]]
    )


def test_numbers_stay_and_categories_become_columns_without_the_first():
    samples = make()
    design, (found,) = build_model(samples, against("b"), covariates=["age", "donor", "same"], formula=None)
    assert list(design.names) == ["a", "b", "c", "age", "donor=d2"]
    y = np.random.default_rng(3).normal(size=12)
    written = np.column_stack(
        [*(samples.groups == np.array([["a"], ["b"], ["c"]])), np.arange(12.0), [0, 0, 0, 1, 1, 1] * 2]
    )
    coefficients = np.linalg.lstsq(written, y, rcond=None)[0]
    np.testing.assert_allclose(estimate(design, found, y), coefficients[1] - coefficients[0])


@pytest.mark.parametrize("formula", ["~ group + donor", "~ donor + group + age"])
def test_a_formula_asks_for_the_same_as_covariates_do(formula):
    samples = make().rows(np.arange(12))  # without the category that does not occur
    covariates = [name for name in ("donor", "age") if name in formula]
    y = np.random.default_rng(2).normal(size=12)
    written, (by_formula,) = build_model(samples, against("b", "c"), covariates=[], formula=formula)
    columns, (by_names,) = build_model(samples, against("b", "c"), covariates=covariates, formula=None)
    from_formula = estimate(written, by_formula, y)
    np.testing.assert_allclose(from_formula, estimate(columns, by_names, y), atol=1e-10)


def test_samples_keep_the_categories_that_occur():
    some = make().rows(np.array([0, 1]))
    assert some.obs["group"].cat.categories.tolist() == ["a", "b"]


def test_without_samples_of_the_reference_there_is_nothing_to_compare():
    samples = make()
    with pytest.raises(DesignError, match=r"No group can be compared with 'a': there are samples of 'b \(4\)'"):
        build_model(samples.rows(np.flatnonzero(samples.groups != "a")), against("b"), covariates=[], formula=None)


def terms(formula):
    obs = make().obs.rename(columns={"donor": "orig.ident"})
    obs.index = obs.index.astype(str)
    return Terms.of(formula, needed=["group"], view=View.of(ad.AnnData(np.ones((12, 1)), obs=obs)))


def test_columns_of_a_formula_are_found_whatever_their_names():
    found = terms("~ group + np.log(age + 1) + orig.ident")
    assert set(found.columns) == {"group", "age", "orig.ident"}
    # Within a function a column is no slope
    assert set(found.slopes) == {"group", "orig.ident"}


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("~ age", "without 'group', so it cannot tell the groups apart"),
        ("y ~ group", "describes the design only"),
        ("~ group + (", "cannot be read"),
    ],
)
def test_formulas_that_do_not_fit_are_refused(formula, message):
    with pytest.raises(ValueError, match=message):
        terms(formula)
