from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from scpi.screen._tables import (
    acting,
    comparison_rows,
    counted,
    perturbation_scores,
    questions,
    score_header,
    score_rows,
    score_table,
    truth_lines,
    truth_table,
    verdict,
)
from scpi.screen._verdict import Comparison

TRUTH = {
    "additive_error": 0.25,
    "additive_pearson": 0.9,
    "targets_recovered": 2 / 3,
    "n_perturbations": 3,
    "n_factors_used": 2,
    "edge_average_precision": 0.5,
    "n_edges": 2,
    "edge_chance": 1 / 3,
    "programs_first": 1,
    "programs_tested": 3,
}


def make(difference=0.02, low=0.01, high=0.03, *, held_out=("A+B",), truth=None, baseline="additive"):
    """Scores of two models for two combinations."""
    scores = pd.DataFrame(
        {
            "model": ["SENAVAE", "SENAVAE", "additive", "additive"],
            "perturbation": ["B+C", "A+B"] * 2,
            "n_cells": [5, 7] * 2,
            "pearson": [0.9, 0.7, 0.8, np.nan],
        }
    )
    summary = pd.DataFrame(
        [
            ("SENAVAE", "pearson", 0.8, difference, low, high),
            ("SENAVAE", "rmse", 0.1234, np.nan, np.nan, np.nan),
            ("additive", "pearson", 0.8, np.nan, np.nan, np.nan),
        ],
        columns=["model", "metric", "mean", "difference", "low", "high"],
    )
    answer = "better" if low > 0 else "worse" if high < 0 else "level"
    return SimpleNamespace(
        scores=scores,
        summary=summary,
        held_out=list(held_out),
        truth=truth,
        baseline=baseline,
        comparisons=[Comparison("pearson", 0.8, baseline, 0.78, difference, low, high, answer)] if baseline else [],
        averaged=["A+B", "B+C"],
        correlation_of_others=0.25,
        design=[("Conditions", "Some."), ("Replicates", "Three.")],
        untrained=[],
        effects=pd.DataFrame(columns=["perturbation", "active"]),
        genes=pd.DataFrame(columns=["perturbation", "gene", "log2fc", "pval_adj", "is_target"]),
        adata=SimpleNamespace(uns={}),
    )


def shown(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


def test_a_row_has_the_means_and_the_difference_with_its_interval():
    result = make()
    own, additive = score_rows(result)
    header = score_header(result)
    assert header[0] == "model" and header[-1] == "r against additive"
    values = dict(zip(header[1:-1], own.values, strict=True))
    assert values["r"] == "0.800" and values["RMSE"] == "0.123"
    # What was not scored is a dash
    assert values["energy"] == "–"
    assert own.difference == "+0.020 [+0.010, +0.030]"
    assert additive.difference == ""


def test_without_a_baseline_there_is_no_difference():
    result = make(baseline=None)
    result.summary = result.summary.drop(columns=["difference", "low", "high"])
    assert not any("against" in word for word in score_header(result))
    assert score_rows(result)[0].difference == ""
    assert verdict(result).endswith("r = 0.800 on average.")


@pytest.mark.parametrize(
    ("difference", "low", "high", "expected"),
    [
        (0.02, 0.01, 0.03, "SENAVAE is better than the best baseline in 1 of 1 metrics (correlation of the change)."),
        (-0.02, -0.03, -0.01, "SENAVAE is worse than the best baseline in 1 of 1 metrics (correlation of the change)."),
        (0.02, -0.01, 0.05, "in none of 1 metrics is SENAVAE distinguishable from the best baseline."),
    ],
)
def test_the_verdict_follows_the_interval(difference, low, high, expected):
    assert expected in verdict(make(difference, low, high))


def test_the_verdict_counts_the_metrics():
    result = make()
    others = [("energy_distance", "level"), ("discrimination", "worse"), ("r2_weighted", "level")]
    result.comparisons += [Comparison(metric, 0, "linear", 0, 0, 0, 0, answer) for metric, answer in others]
    assert (
        "SENAVAE is better than the best baseline in 1 of 4 metrics (correlation of the change) and worse than the best "
        "baseline in 1 of 4 metrics (discrimination of the perturbations), and level with it in 2." in verdict(result)
    )
    assert len(comparison_rows(result)) == 4
    assert comparison_rows(result)[0] == [
        "correlation of the change",
        "0.800",
        "0.780",
        "additive",
        "+0.020 [+0.010, +0.030]",
        "better",
    ]


def test_the_verdict_says_what_the_best_baseline_does():
    text = verdict(make(baseline="linear"))
    assert text.endswith("a linear model of the effects (+0.020, 95 % interval +0.010 to +0.030).")
    # Baselines with the same scores are one
    assert "is adding single effects = a linear model of the effects (" in verdict(make(baseline="additive = linear"))
    # Of perturbations that were trained on, the additive baseline adds nothing
    assert "is the mean of the training cells of the same perturbation (" in verdict(make(held_out=()))


def test_the_questions_of_a_reviewer_have_answers():
    result = make()
    perfect = pd.DataFrame({"model": ["perfect prediction"], "metric": ["pearson"], "mean": [0.96]})
    result.summary = pd.concat([result.summary, perfect], ignore_index=True)
    result.comparisons.append(Comparison("r2_weighted", 0, "mean change", 0, 0, 0, 0, "level"))
    answers = dict(questions(result))
    assert list(answers) == ["Predictions?", "Replicates?", "Baselines?", "Noise?"]
    assert answers["Replicates?"] == "Three."
    assert answers["Baselines?"] == (
        "additive, trained on the same cells. The best of 2 metrics: additive in 1, mean change in 1."
    )
    assert "would reach r = 0.960" in answers["Noise?"]
    assert "the prediction reaches 0.800, and predictions of another perturbation 0.250." in answers["Noise?"]


@pytest.fixture
def tested():
    """Five perturbations, of which three change cells, with genes and gene sets of the strongest."""
    result = make()
    result.effects = pd.DataFrame(
        {
            "perturbation": ["A", "B", "C", "D", "E"],
            "score": [3.0, 9.0, 5.0, 1.1, 0.9],
            "active": [True, True, True, False, False],
        }
    )
    result.genes = pd.DataFrame(
        {
            "perturbation": ["B"] * 4 + ["C"],
            "gene": ["B", "IRF1", "CXCL9", "ACTB", "STAT1"],
            "log2fc": [-2.0, -1.0, 0.5, 0.1, -1.0],
            "pval_adj": [0.001, 0.002, 0.01, 0.4, 0.3],
            "is_target": [True, False, False, False, False],
        }
    )
    names = np.array([["B", "C"], ["interferon", "cycle"]])
    activity = pd.DataFrame(
        {"group": names[0], "rank": 1, "set": names[1], "effect": [-1.0, 1.0], "pval_adj": [0.01, 0.5]}
    )
    result.activity = activity
    return result


def test_the_summary_begins_with_what_acts(tested, monkeypatch):
    assert acting(tested) == "3 of 5 conditions change cells (false discovery rate 5 %). Strongest: B, C, A."
    answers = dict(questions(tested))
    assert list(answers)[:4] == ["B", "C", "A", "Predictions?"]
    # The target itself and what is not significant do not count
    assert answers["B"] == "2 genes: IRF1 ↓, CXCL9 ↑."
    assert answers["C"] == "No single gene changes at a false discovery rate of 5 %."
    assert answers["No effect found?"] == "Of D, E."
    tested.adata.uns["differential_activity"] = {}
    monkeypatch.setattr("scpi.screen._tables.get.differential_activity", lambda adata: tested.activity)
    answers = dict(questions(tested))
    assert answers["B"] == "2 genes: IRF1 ↓, CXCL9 ↑. Gene sets: interferon ↓."
    assert "Gene sets" not in answers["C"]


def test_what_acts_if_little_or_nothing_does(tested):
    tested.effects["active"] = [False, True, False, False, False]
    assert acting(tested) == "1 of 5 conditions changes cells (false discovery rate 5 %). B."
    tested.effects["active"] = False
    assert acting(tested) == "0 of 5 conditions change cells (false discovery rate 5 %)."
    assert acting(make()).startswith("No perturbation has enough cells")


def test_one_condition_has_no_interval_and_is_in_the_singular():
    result = make(low=np.nan, high=np.nan, held_out=["A+B"])
    result.averaged, result.correlation_of_others = ["A+B"], np.nan
    assert verdict(result).endswith("(+0.020, without an interval, which one condition does not give).")
    assert score_rows(result)[0].difference == "+0.020"
    assert comparison_rows(result)[0][4:] == ["+0.020", "–"]
    assert "1 condition that no model was trained on" in shown(score_table(result))
    assert dict(questions(result))["Noise?"].endswith("and the prediction reaches 0.800.")
    assert (counted(1, "gene"), counted(2, "gene"), counted(1200, "gene")) == ("1 gene", "2 genes", "1,200 genes")


def test_of_what_was_not_trained_on_nothing_is_claimed():
    result = make()
    result.untrained = ["A+B", "B+C"]
    assert verdict(result).startswith("SENAVAE predicts no change of A+B, B+C, of which it has no training cell")
    result.untrained = ["A+B"]
    assert verdict(result).startswith("The predicted change correlates")


def test_the_report_has_room_for_more_than_the_terminal():
    brief, all_columns = (score_header(make(), brief=brief) for brief in (True, False))
    assert len(brief) < len(all_columns) and set(brief) < set(all_columns)


def test_every_perturbation_has_the_correlation_of_every_model():
    table = perturbation_scores(make())
    assert table.columns.tolist() == ["perturbation", "cells", "SENAVAE", "additive"]
    assert table["perturbation"].tolist() == ["A+B", "B+C"]
    assert table["cells"].tolist() == [7, 5]
    np.testing.assert_array_equal(table["additive"], [np.nan, 0.8])


@pytest.mark.parametrize(
    ("held_out", "title"),
    [
        (["A+B", "B+C"], "2 conditions that no model was trained on"),
        ([], "2 perturbations, in test cells"),
    ],
)
def test_the_terminal_says_what_was_predicted(held_out, title):
    text = shown(score_table(make(held_out=held_out)))
    assert title in text
    assert "+0.020 [+0.010, +0.030]" in text


def test_what_was_planted_is_set_beside_what_was_found():
    lines = dict(truth_lines(make(truth=TRUTH)))
    assert [answer.split()[0] for answer in lines.values()] == ["25%", "67%", "average", "for"]
    assert "0.50 for 2 edges, chance is 0.33" in lines["Causal edges"]
    assert "for 1 of 3 perturbations" in shown(truth_table(make(truth=TRUTH)))
    assert truth_lines(make()) == []
    # Without combinations, edges or programs, these have no line
    less = TRUTH | {"additive_error": np.nan, "edge_average_precision": np.nan, "programs_tested": 0}
    assert len(truth_lines(make(truth=less))) == 1
