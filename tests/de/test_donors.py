from __future__ import annotations

import logging
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi import de
from scpi._ranking import read_ranking
from scpi.de._donors import _some_names, count_pairs, sum_replicates, warn_of_replicates

SAMPLES = {"filter_genes": False}


def samples(condition, donor, **more):
    """Counts of samples, one row each."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"condition": condition, "donor": donor, **more})
    obs.index = [f"s{i}" for i in range(len(obs))]
    return ad.AnnData(rng.poisson(rng.gamma(2.0, 20.0, 60), (len(obs), 60)).astype(np.float32), obs=obs)


@pytest.fixture
def replicates():
    """Three samples of each of six donors, whose condition differs between donors."""
    donor = np.repeat(np.arange(6), 3)
    return samples(np.array(["ctrl", "stim"])[donor % 2], [f"d{i}" for i in donor], batch=np.tile(["x", "y", "z"], 6))


def same_tests(one, other):
    first, second = (read_ranking(adata, "limma") for adata in (one, other))
    np.testing.assert_allclose(first.log10_pvals, second.log10_pvals, rtol=1e-6)


def test_samples_of_a_donor_are_summed(replicates):
    de.limma(replicates, "condition", reference="ctrl", donor_key="donor", **SAMPLES)
    table = replicates.uns["limma"]["groups"]
    assert table[["n_samples", "n_reference", "n_donors", "n_paired"]].to_numpy().tolist() == [[3, 3, 6, 0]]
    assert replicates.uns["limma"]["params"]["pairing"] == "between donors"
    summed = de.pseudobulk(replicates, sample_key="donor", min_cells=1)
    de.limma(summed, "condition", reference="ctrl", **SAMPLES)
    same_tests(replicates, summed)


def test_a_donor_that_is_a_block_keeps_its_samples(replicates):
    de.limma(replicates, "condition", reference="ctrl", donor_key="donor", block="donor", **SAMPLES)
    table = replicates.uns["limma"]["groups"]
    assert table[["n_samples", "n_reference", "n_donors"]].to_numpy().tolist() == [[9, 9, 6]]
    assert "correlation" in table


@pytest.mark.parametrize("method", ["edger", "deseq2"])
def test_other_tests_of_samples_sum_as_well(replicates, method):
    pytest.importorskip({"edger": "pyedger", "deseq2": "pydeseq2"}[method])
    options = {"reference": "ctrl", "sample_key": "library", "min_cells": 1, "method": method}
    replicates.obs["library"] = replicates.obs_names
    de.rank_genes(replicates, "condition", donor_key="donor", **options)
    assert replicates.uns["rank_genes_groups"]["groups"]["n_samples"].tolist() == [3]
    assert replicates.uns["rank_genes_groups"]["params"]["pairing"] == "between donors"


def test_the_number_of_cells_is_summed(replicates):
    replicates.obs["n_cells"] = 10
    obs, counts = sum_replicates(replicates.obs, replicates.X, ["donor", "condition"], [])
    assert obs["n_cells"].tolist() == [30] * 6
    assert obs.index.tolist() == [f"d{i}_{'stim' if i % 2 else 'ctrl'}" for i in range(6)]
    np.testing.assert_allclose(counts, replicates.X.reshape(6, 3, -1).sum(axis=1))
    assert "batch" not in obs


def test_samples_that_outnumber_donors_are_a_warning(replicates):
    with pytest.warns(UserWarning, match=r"18 samples count as independent, but come from 6 donors.*up to 3 of one"):
        de.limma(replicates, "condition", reference="ctrl", **SAMPLES)
    for options in ({"donor_key": "donor"}, {"block": "donor"}, {"sample_key": "donor", "min_cells": 1}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            de.limma(replicates, "condition", reference="ctrl", **options, **SAMPLES)


@pytest.mark.parametrize(
    ("column", "is_donor"),
    [("Patient_ID", True), ("subject", True), ("mouse.id", True), ("donor", True), ("batch", False), ("donors", False)],
)
def test_which_columns_look_like_donors(column, is_donor):
    frame = pd.DataFrame({"condition": ["a", "a", "b"], column: ["x", "x", "y"]})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_replicates(frame, ["condition"], [])
        assert bool(caught) == is_donor
        # Groups that are compared are no donors of the samples
        warn_of_replicates(frame, [column], [])
    assert len(caught) == is_donor


def test_a_paired_design_is_found(caplog):
    adata = samples(["ctrl", "stim"] * 4, [f"d{i // 2}" for i in range(8)])
    adata.obs["sample"] = adata.obs_names
    with caplog.at_level(logging.INFO, "scpi"):
        de.limma(adata, "condition", reference="ctrl", donor_key="donor", **SAMPLES)
    assert adata.uns["limma"]["params"]["pairing"] == "paired"
    assert adata.uns["limma"]["groups"]["n_paired"].tolist() == [4]
    assert "4 of 4 donors of obs['donor'] have samples of several groups of 'condition'." in caplog.text
    assert "The model does not pair them: covariates='donor' does." in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, "scpi"):
        de.fitted_comparisons(adata)
    assert caplog.text == ""
    with caplog.at_level(logging.INFO, "scpi"):
        de.limma(adata, "condition", reference="ctrl", donor_key="donor", covariates="donor", **SAMPLES)
    assert "does not pair" not in caplog.text


def test_donors_that_miss_groups_are_named(caplog):
    adata = samples(["ctrl", "stim", "ctrl", "stim", "ctrl", "stim", "ctrl"], ["a", "a", "b", "b", "c", "c", "d"])
    with caplog.at_level(logging.INFO, "scpi"):
        de.limma(adata, "condition", reference="ctrl", donor_key="donor", covariates="donor", **SAMPLES)
    assert adata.uns["limma"]["params"]["pairing"] == "partly paired"
    assert adata.uns["limma"]["groups"][["n_donors", "n_paired"]].to_numpy().tolist() == [[4, 3]]
    assert (
        "Donors that miss groups: 'd (stim)'. block='donor' of `limma` uses incomplete donors as well." in caplog.text
    )


def test_cells_of_one_sample_column_are_those_of_donors():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"sample": np.repeat([f"d{i}" for i in range(4)], 20), "condition": np.tile(["ctrl", "stim"], 40)}
    )
    adata = ad.AnnData(rng.poisson(3.0, (80, 30)).astype(np.float32), obs=obs.set_index(obs.index.astype(str)))
    de.limma(adata, "condition", reference="ctrl", sample_key="sample", min_cells=1)
    assert adata.uns["limma"]["params"]["pairing"] == "paired"
    de.limma(adata, "condition", reference="ctrl", sample_key=["sample", "condition"], min_cells=1)
    assert "pairing" not in adata.uns["limma"]["params"]


def test_a_formula_keeps_what_it_names_apart():
    donor = np.repeat(np.arange(4), 4)
    adata = samples(["ctrl"] * 16, [f"d{i}" for i in donor], time=np.tile([0.0, 0.0, 1.0, 1.0], 4))
    de.limma(adata, formula="~ time + donor", coef="time", donor_key="donor", **SAMPLES)
    table = adata.uns["limma"]["groups"]
    assert table[["n_samples", "df_residual", "n_donors", "n_paired"]].to_numpy().tolist() == [[4, 3, 4, 4]]


def test_long_lists_are_shortened():
    assert _some_names(["a", "b"]) == "a, b"
    assert _some_names(list("abcde")) == "a, b, c and 2 more"


def test_pairs_are_counted():
    donors = np.array(["a", "a", "b", "c"], dtype=object)
    assert count_pairs(donors, np.array([1, 0, 1, 0], bool), np.array([0, 1, 0, 1], bool)) == (3, 1)


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({}, {"donor_key": "none"}, KeyError, "`donor_key` names 'none'"),
        ({"donor": None}, {"donor_key": "donor"}, ValueError, "no value in 18 samples"),
        ({}, {"donor_key": "donor", "covariates": "batch"}, ValueError, "'batch' differ between samples of a donor"),
        (
            {},
            {"donor_key": "batch", "sample_key": "donor"},
            ValueError,
            "`donor_key` is 'batch', which differs between",
        ),
    ],
)
def test_what_is_no_donor(replicates, change, options, error, message):
    replicates.obs = replicates.obs.assign(**change)
    with pytest.raises(error, match=message):
        de.limma(replicates, "condition", reference="ctrl", min_cells=1, **options)


def test_tests_of_cells_have_no_donors(replicates):
    with pytest.raises(ValueError, match="has no use for `donor_key`"):
        de.rank_genes(replicates, "condition", donor_key="donor")
