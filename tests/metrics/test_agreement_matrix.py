from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.metrics import agreement_matrix, overlap_log_pval, rank_biased_overlap, top_k_jaccard, top_k_overlap


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=60)
    return {"a": truth, "b": truth + 0.3 * rng.normal(size=60), "c": rng.normal(size=60)}


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("metric", [top_k_overlap, top_k_jaccard, rank_biased_overlap])
def test_each_pair_has_the_value_of_the_metric(scores, metric, absolute):
    options = {"p": 0.9} if metric is rank_biased_overlap else {"k": 10}
    matrix = agreement_matrix(scores, metric=metric.__name__, absolute=absolute, **options)
    assert matrix.index.tolist() == matrix.columns.tolist() == ["a", "b", "c"]
    for row in "abc":
        for column in "abc":
            assert matrix.loc[row, column] == metric(scores[row], scores[column], absolute=absolute, **options)
    assert matrix.loc["a", "b"] > matrix.loc["a", "c"]


def test_genes_are_matched_by_name(scores):
    genes = pd.Index([f"g{i}" for i in range(60)])
    rng = np.random.default_rng(1)
    series = {name: pd.Series(values, index=genes).iloc[rng.permutation(60)] for name, values in scores.items()}
    pd.testing.assert_frame_equal(agreement_matrix(series, k=10), agreement_matrix(scores, k=10))
    lists = {name: values.abs().sort_values(ascending=False).index.tolist() for name, values in series.items()}
    for metric in ("top_k_overlap", "rank_biased_overlap"):
        expected = agreement_matrix(scores, k=10, metric=metric)
        pd.testing.assert_frame_equal(agreement_matrix(lists, k=10, metric=metric), expected)
        pd.testing.assert_frame_equal(agreement_matrix(lists | {"b": series["b"]}, k=10, metric=metric), expected)


def test_the_row_is_the_truth():
    matrix = agreement_matrix({"truth": ["x", "y"], "found": ["y", "z", "w", "v"]}, k=4)
    assert matrix.loc["truth", "found"] == 0.5
    assert matrix.loc["found", "truth"] == 0.25


def test_p_is_among_the_genes_that_both_rank(scores):
    missing = {"a": scores["a"], "b": np.where(np.arange(60) < 20, np.nan, scores["b"])}
    tops = [set(20 + np.argsort(-np.abs(values[20:]))[:8]) for values in missing.values()]
    expected = overlap_log_pval(len(tops[0] & tops[1]), 8, 8, n_genes=40)
    assert agreement_matrix(missing, metric="overlap_log_pval", k=8).loc["a", "b"] == pytest.approx(expected)
    lists = {"x": ["g1", "g2", "g3"], "y": ["g3", "g4", "g1"]}
    matrix = agreement_matrix(lists, metric="overlap_log_pval", k=3, n_genes=1000)
    assert matrix.loc["x", "y"] == pytest.approx(overlap_log_pval(2, 3, 3, n_genes=1000))
    apart = agreement_matrix({"x": [1.0, np.nan], "y": [np.nan, 1.0]}, metric="overlap_log_pval")
    assert np.isnan(apart.loc["x", "y"])


@pytest.mark.parametrize(
    ("rankings", "options", "message"),
    [
        ({}, {}, "no rankings"),
        ({"a": ["x", "x"]}, {}, "'a' lists 'x' more than once"),
        ({"a": [1.0, 2.0], "b": [1.0]}, {}, "same genes"),
        ({"a": [1.0, 2.0], "b": ["x", "y"]}, {}, "same genes"),
        ({"a": [1.0]}, {"metric": "pearson"}, "must be one of 'top_k_overlap'"),
        ({"a": ["x"]}, {"metric": "overlap_log_pval"}, "give `n_genes`"),
        ({"a": [1.0]}, {"k": 0}, "`k` must be"),
    ],
)
def test_bad_input(rankings, options, message):
    with pytest.raises(ValueError, match=message):
        agreement_matrix(rankings, **options)
