from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from scpi.benchmark import fold_table, summarise
from scpi.screen._pseudobulk_result import Ranking
from scpi.screen._pseudobulk_tables import (
    fold_rows,
    joined_names,
    methods,
    questions,
    ranking_rows,
    score_header,
    score_rows,
    score_table,
    scored,
    verdict,
)

VALUES = {"linear": [0.8, 0.6, 0.7], "additive": [0.5, 0.6, 0.4], "perfect prediction": [0.95, 0.9, np.nan]}


def make(rankings):
    rows = [
        {"model": model, "perturbation": name, "split": fold, "context": "", "dose": 1.0, "pearson": value, "r2": value}
        for model, values in VALUES.items()
        for name, fold, value in zip(["A+B", "A+C", "B+C"], ["fold 1", "fold 1", "fold 2"], values, strict=True)
    ]
    scores = pd.DataFrame(rows)
    return SimpleNamespace(
        scores=scores,
        summary=summarise(scores, baseline="linear"),
        folds=fold_table(scores),
        baseline="linear",
        rankings=rankings,
        held_out=["A+B", "A+C", "B+C"],
        design=[("Rows", "Conditions, not cells."), ("Replicates", "None."), ("Control", "One.")],
        adata=SimpleNamespace(n_obs=7, n_vars=50),
        settings={"versions": {"scpi": "1"}, "seed": 0},
    )


RESULT = make(
    [Ranking("pearson", "linear", 0.7, 0.925, [], ["additive"]), Ranking("r2", "linear", 0.7, np.nan, ["additive"], [])]
)


def test_the_verdict_names_what_is_level():
    assert verdict(RESULT) == (
        "Rows are conditions, not cells, and the baselines alone were compared, on 3 combinations, each held out in one of 2 folds. "
        "In r the best baseline is linear, with 0.700 (a perfect prediction would reach 0.925); no other is level with it. It is the "
        "best in 2 of 2 metrics; level with the best elsewhere: additive (R²)."
    )
    level = make([Ranking("pearson", "linear", 0.7, np.nan, ["additive", "mean change"], [])])
    assert "with 0.700; level with it are additive and mean change." in verdict(level)


def test_rows_of_the_tables():
    assert score_header(RESULT)[-1] == "r against linear" and len(score_header(RESULT, brief=True)) == 5
    rows = score_rows(RESULT)
    assert rows[0][:2] == ["linear", "0.700"] and rows[0][-1] == "–"
    assert rows[1][-1].startswith("-0.200 [")
    assert len(score_table(RESULT).columns) == 5
    header, folds = fold_rows(RESULT)
    assert header == ["model", "fold 1", "fold 2", "mean", "SD"]
    assert folds[1] == ["additive", "0.550", "0.400", "0.475", f"{np.std([0.55, 0.4], ddof=1):.3f}"]
    assert ranking_rows(RESULT)[1] == ["R²", "linear", "0.700", "–", "additive"]


def test_questions_are_answered():
    found = dict(questions(RESULT))
    assert found["Cells?"] == "Conditions, not cells. No network was trained."
    assert found["Baselines?"] == "linear and additive. In r the best is linear; no other is level with it."
    assert found["Noise?"].endswith("Measured and predicted changes share the noise of the control.")
    unknown = make([Ranking("pearson", "linear", 0.7, np.nan, [], [])])
    assert dict(questions(unknown))["Noise?"].startswith("Not known:")


def test_sentences():
    assert scored(RESULT) == "3 combinations, each held out in one of 2 folds"
    assert "divided at random into 2 folds, each held out in turn (seed 0)" in methods(RESULT)
    assert [joined_names(names) for names in ([], ["a"], ["a", "b", "c"])] == ["–", "a", "a, b and c"]
