from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse

import scpi
from scpi.de._covariates import is_number, read_covariates


def test_the_rule():
    frame = pd.DataFrame(
        {
            "age": [1, 2, 3],
            "flag": [True, False, True],
            "kind": pd.Categorical(["b", "a", "b"], categories=["c", "b", "a"]),
            "level": pd.Categorical([2, 1, 2]),
            "text": ["x", "y", "x"],
            "mixed": pd.Series([1, "y", 2.5], dtype=object),
        }
    )
    read = read_covariates(frame)
    assert [name for name in read if is_number(read[name])] == ["age"]
    assert read["age"].dtype == np.float64
    assert read["kind"].cat.categories.tolist() == ["b", "a"]
    assert read["flag"].cat.categories.tolist() == ["False", "True"]
    assert read["level"].cat.categories.tolist() == ["1", "2"]


@pytest.mark.parametrize("name", ["donor", "batch_id", "Donor", "orig.ident", "samples", "patientID"])
def test_numbers_that_are_names_are_doubted(name):
    with pytest.warns(UserWarning, match=f"'{name}' hold numbers and are used as slopes, but look like names"):
        read_covariates(pd.DataFrame({name: [1, 2, 3]}))


@pytest.mark.parametrize(
    "frame",
    [
        {"donor": ["1", "2", "3"]},
        {"donor": [0, 1, 1]},  # two values: a slope is a category
        {"donor": [0.5, 1.25, 2.0]},
        {"age": [1, 2, 3]},
        {"idiosyncrasy": [1, 2, 3]},
    ],
)
def test_what_is_not_doubted(frame):
    read_covariates(pd.DataFrame(frame))


def test_missing_and_infinite_values():
    with pytest.raises(ValueError, match="missing values: 'a'"):
        read_covariates(pd.DataFrame({"a": ["x", None]}))
    with pytest.raises(ValueError, match="finite, but b"):
        read_covariates(pd.DataFrame({"b": [1.0, np.inf]}))


# --- the same on every route


@pytest.fixture
def screen():
    """Two conditions in each of eight samples of four batches, which are numbered."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"sample": np.repeat([f"s{i}" for i in range(8)], 20)}, index=[f"c{i}" for i in range(160)])
    obs["condition"] = np.tile(["ctrl", "stim"], 80)
    obs["batch"] = np.repeat([3, 1, 2, 4], 40)
    mean = rng.gamma(2.0, 2.0, 30) * rng.lognormal(0.0, 0.3, (4, 30))[obs["batch"].to_numpy() - 1]
    return scpi_data(rng.poisson(mean), obs)


def scpi_data(counts, obs):
    from anndata import AnnData

    return AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs=obs)


def scores(adata, **options):
    scpi.de.limma(adata, "condition", reference="ctrl", filter_genes=False, **options)
    return adata.uns["limma"]["scores"]["stim"]


@pytest.mark.filterwarnings("ignore:.*look like names")
@pytest.mark.parametrize("as_text", [False, True])
def test_a_covariate_is_read_alike_on_every_route(screen, as_text):
    if as_text:
        screen.obs["batch"] = screen.obs["batch"].astype(str)
    direct = scores(screen, sample_key="sample", covariates="batch")
    np.testing.assert_array_equal(scores(screen, sample_key=["sample", "batch"], covariates=["batch"]), direct)
    np.testing.assert_allclose(
        scores(screen, sample_key="sample", formula="~ batch + condition", standard_error="exact"),
        scores(screen, sample_key="sample", covariates="batch", standard_error="exact"),
        rtol=1e-4,
    )
    summed = scpi.de.pseudobulk(screen, sample_key=["sample", "batch"], groupby="condition", min_cells=1)
    np.testing.assert_array_equal(scores(summed, covariates="batch"), direct)
    is_slope = pd.api.types.is_numeric_dtype(summed.obs["batch"])
    assert is_slope is not as_text


def test_a_slope_of_names_is_a_warning_on_every_route(screen):
    routes = [
        lambda: scores(screen, sample_key="sample", covariates="batch"),
        lambda: scores(screen, sample_key="sample", formula="~ condition + batch"),
        lambda: scpi.de.rank_genes(screen, "condition", method="logistic", covariates="batch"),
        lambda: scpi.de.rank_genes(screen, "condition", method="edger", sample_key="sample", covariates="batch"),
    ]
    for route in routes:
        with pytest.warns(UserWarning, match="'batch' hold numbers and are used as slopes"):
            route()


def test_categories_in_a_formula_are_not_doubted(screen):
    scores(screen, sample_key="sample", formula="~ condition + C(batch)")


@pytest.mark.parametrize("function", ["rank_genes", "limma"])
def test_a_missing_covariate_is_named(screen, function):
    options = {"method": "logistic"} if function == "rank_genes" else {"sample_key": "sample"}
    with pytest.raises(
        KeyError, match="`covariates` names 'well', but `obs` has no column 'well', only 'sample', 'condition'"
    ):
        getattr(scpi.de, function)(screen, "condition", reference="ctrl", covariates="well", **options)


def test_columns_of_a_mudata_are_found_where_the_groups_are(screen):
    mdata = MuData({"rna": screen.copy()})
    for name in ("condition", "sample"):
        mdata.obs[name] = screen.obs[name].to_numpy()
    mdata.obs["lane"] = screen.obs["batch"].astype(str).to_numpy()
    del mdata["rna"].obs["condition"], mdata["rna"].obs["sample"]
    screen.obs["lane"] = screen.obs["batch"].astype(str)
    for options in ({"covariates": "lane"}, {"formula": "~ condition + lane"}):
        scpi.de.limma(
            mdata, "condition", reference="ctrl", sample_key="sample", mod="rna", filter_genes=False, **options
        )
        found = mdata["rna"].uns["limma"]["scores"]["stim"]
        np.testing.assert_array_equal(found, scores(screen, sample_key="sample", **options))
    scpi.de.rank_genes(mdata, "condition", method="logistic", covariates="lane", mod="rna")
    scpi.de.rank_genes(screen, "condition", method="logistic", covariates="lane")
    np.testing.assert_array_equal(
        mdata["rna"].uns["rank_genes_groups"]["scores"]["stim"], screen.uns["rank_genes_groups"]["scores"]["stim"]
    )


CODINGS = {
    "0 and 1": [0, 1],
    "101 and 107": [101, 107],
    "-0.5 and 2e6": [-0.5, 2e6],
    "text": ["u", "v"],
    "bool": [False, True],
}
ROUTES = {
    "covariates": {"covariates": ["side"]},
    "rest": {"reference": "rest", "covariates": ["side"]},
    "formula": {"formula": "~ 0 + condition + side"},
    "interaction": {"formula": "~ condition * side"},
    "contrast": {"contrasts": "(stim + drug) / 2 - ctrl", "covariates": ["side"]},
    "contrast of a formula": {"contrasts": "stim - ctrl", "formula": "~ 0 + condition + side"},
}


@pytest.fixture
def sides():
    """Twelve samples of three conditions on two sides, unevenly."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"condition": np.repeat(["ctrl", "drug", "stim"], 4)}, index=[f"s{i}" for i in range(12)])
    obs["side"] = [0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1, 1]
    depth = rng.lognormal(0.0, 0.5, (12, 1))
    return scpi_data(rng.poisson(rng.gamma(5.0, rng.lognormal(4.0, 1.0, 60) * depth / 5.0)), obs)


def coded(adata, coding):
    adata = adata.copy()
    adata.obs["side"] = [CODINGS[coding][side] for side in adata.obs["side"]]
    return adata


@pytest.mark.filterwarnings("ignore:In '~ condition")
@pytest.mark.parametrize("route", ROUTES)
def test_two_numbers_are_two_levels_whatever_they_are(sides, route):
    found = {}
    for coding in CODINGS:
        adata = coded(sides, coding)
        scpi.de.limma(adata, "condition", filter_genes=False, **_against(ROUTES[route]))
        found[coding] = scpi.get.de_df(adata, key="limma").sort_values(["group", "gene"])["score"].to_numpy()
    for coding in CODINGS:
        np.testing.assert_allclose(found[coding], found["text"], rtol=1e-6)


def _against(options):
    return options if "contrasts" in options else {"reference": "ctrl"} | options


def test_two_numbers_are_two_levels_for_tests_of_cells_and_batches(sides):
    expression = np.log1p(sides.X.toarray())
    for coding in CODINGS:
        adata = coded(sides, coding)
        codes = (adata.obs["condition"] == "stim").to_numpy().astype(int)
        for test, rtol in ((scpi.de.poisson, 0), (scpi.de.logistic, 1e-6)):
            same = test(sides.X, codes, reference=0, covariates=coded(sides, "text").obs[["side"]])
            found = test(sides.X, codes, reference=0, covariates=adata.obs[["side"]])
            np.testing.assert_allclose(found.score, same.score, rtol=rtol, atol=1e-12)
        np.testing.assert_allclose(
            scpi.de.remove_batch_effect(expression, adata.obs[["side"]]),
            scpi.de.remove_batch_effect(expression, coded(sides, "text").obs["side"].to_numpy()),
        )


def test_a_slope_that_is_tested_stays_one_per_unit(sides):
    sides.obs["dose"] = np.asarray(sides.obs["side"]) * 4.0
    slope = {}
    for name in ("side", "dose"):
        for asked in ({"coef": name}, {"contrasts": name}):
            scpi.de.limma(sides, "condition", covariates=[name], filter_genes=False, **asked)
            slope[name] = scpi.get.de_df(sides, key="limma").sort_values("gene")["log2fc"].to_numpy()
            np.testing.assert_allclose(slope[name] * (4.0 if name == "dose" else 1.0), slope["side"], rtol=1e-6)


def test_a_formula_whose_columns_need_the_numbers_keeps_them(sides):
    sides.obs["dose"] = 2.0 + 3.0 * np.asarray(sides.obs["side"])
    options = {"reference": "ctrl", "filter_genes": False}
    scpi.de.limma(sides, "condition", formula="~ 0 + condition:dose", **options)
    assert set(scpi.de.fitted_comparisons(sides)["stim"].design.to_numpy().ravel()) == {0.0, 2.0, 5.0}
    scpi.de.limma(sides, "condition", formula="~ 0 + condition + np.log(dose)", **options)
    assert np.log(5.0) in scpi.de.fitted_comparisons(sides)["stim"].design.to_numpy()


@pytest.mark.filterwarnings("ignore:.*look like names")
@pytest.mark.parametrize(
    ("n_donors", "numbers", "pairing"), [(4, True, "between donors"), (4, False, "paired"), (2, True, "paired")]
)
@pytest.mark.parametrize("design", [{"covariates": ["donor"]}, {"formula": "~ condition + donor"}])
def test_donors_that_are_a_slope_are_not_paired(n_donors, numbers, pairing, design):
    rng = np.random.default_rng(0)
    donor = np.repeat(np.arange(n_donors) * 3 + 101, 2)
    obs = pd.DataFrame({"condition": ["ctrl", "stim"] * n_donors, "donor": donor if numbers else donor.astype(str)})
    adata = scpi_data(
        rng.poisson(50, (2 * n_donors, 40)), obs.set_index(pd.Index([f"s{i}" for i in range(2 * n_donors)]))
    )
    scpi.de.limma(adata, "condition", reference="ctrl", donor_key="donor", **design)
    assert adata.uns["limma"]["params"]["pairing"] == pairing
    [row] = adata.uns["limma"]["groups"][["n_donors", "n_paired"]].to_numpy().tolist()
    assert row == [n_donors, n_donors if pairing == "paired" else 0]
