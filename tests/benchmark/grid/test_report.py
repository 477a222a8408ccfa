from __future__ import annotations

import pandas as pd
import pytest

from scpi.benchmark import grid
from scpi.benchmark.grid import collect, report, run


@pytest.fixture(scope="module")
def out(tmp_path_factory, folder, inline):
    """Results of two baselines and a model that fails on six pairs, one in each part."""
    out = tmp_path_factory.mktemp("report") / "planted pairs"
    made = grid.Grid.from_dict(
        {
            "data": {
                "planted": {
                    "simulator": "plant_screen",
                    "seed": 0,
                    "arguments": {"n_perturbations": 4, "n_cells": 30, "n_control": 200, "n_decoy_sets": 0}
                    | {"effect_size": 3.0},
                    "normalise": True,
                }
            },
            "splits": {"pairs": {"by": "leave_combinations_out", "arguments": {"n_splits": 2}}},
            "models": {
                "nothing": "NoChange",
                "additive": {"model": "Additive", "matched_null": True},
                "broken": "grid_models:Broken",
            },
            "metrics": ["discrimination", "pearson", "rmse"],
            "seeds": [0],
        }
    )
    run(made, out, executor=inline(), progress=False)
    return out


@pytest.fixture(scope="module")
def made(out):
    return report(out, n_bootstrap=200)


def test_the_page_and_its_tables_are_written(out, made):
    assert made.path == out / "report" / "report.html"
    page = made.path.read_text(encoding="utf-8")
    assert "<h1>planted pairs</h1>" in page and "RuntimeError: it does not work" in page
    for name, table in made.tables.items():
        kept = pd.read_parquet(made.path.parent / f"{name}.parquet")
        assert len(kept) == len(table) > 0, name
    assert set(made.tables) == {
        "scores",
        "ranking",
        "regimes",
        "nulls",
        "dynamic_range",
        "contexts",
        "costs",
        "failures",
    }
    pd.testing.assert_frame_equal(made.scores, collect(out))


def test_what_the_tables_say(made):
    at = made.ranking.set_index(["metric", "model"])
    assert at.loc["discrimination", "rank"].dropna().to_dict() == {"additive": 1, "nothing": 2}
    # The additive model knows both members of every pair, and no change tells none from another
    assert at.loc[("discrimination", "additive"), "mean"] > 0.9 and at.loc[("discrimination", "nothing"), "mean"] == 0.5
    assert at.loc[("discrimination", "nothing"), "standing"] == "behind"
    assert at.loc[("discrimination", "additive"), ["kind", "n_conditions", "n_all"]].tolist() == ["baseline", 6, 6]
    assert at.loc[("pearson", "nothing"), ["mean", "standing"]].tolist() == [0, "behind"]
    scores = made.scores[made.scores["model"] == "additive"]
    assert at.loc[("rmse", "additive"), "mean"] == pytest.approx(scores["rmse"].mean())
    drf = made.dynamic_range.set_index("metric")
    bounds = made.scores.pivot(index=["split", "perturbation"], columns="model", values="rmse")
    better = bounds["positive bound"] < bounds["negative bound"]
    assert (drf.loc["rmse", "n"], drf.loc["rmse", "bds"]) == (6, better.mean())
    assert drf.loc["discrimination", "negative"] == 0.5 and 0 < drf.loc["rmse", "drf"] < 1
    costs = made.costs.set_index("model")
    assert (costs["n_tasks"] == 2).all() and (costs["n_parameters"] == 0).all() and (costs["memory_mb"] > 50).all()
    assert made.failures["model"].tolist() == ["broken"] * 2 and (made.failures["state"] == "failed").all()


def test_a_model_of_the_labels_is_above_its_matched_null(made):
    page = made.path.read_text(encoding="utf-8")
    assert "null of additive" in page and "Do models use the labels?" in page
    found = made.nulls.set_index("metric")
    assert found[["model", "null", "n"]].drop_duplicates().to_numpy().tolist() == [["additive", "null of additive", 6]]
    assert found.loc["discrimination", "standing"] == "above" and found.loc["discrimination", "null_mean"] < 0.8
    scores = made.scores[made.scores["model"] == "null of additive"]
    assert (scores["null_of"] == "additive").all() and len(scores) == 6
    assert set(made.scores.loc[made.scores["null_of"] == "", "model"]) >= {"additive", "nothing"}
    assert found.loc["pearson", "null_mean"] == pytest.approx(scores["pearson"].mean())
    # It takes no rank
    assert "null of additive" not in set(made.ranking["model"])


def test_baselines_metrics_and_the_title_can_be_named(out, tmp_path):
    options = {"baselines": "nothing", "metrics": ["discrimination"], "n_bootstrap": 100}
    found = report(out, folder=tmp_path, title="Which?", **options)
    at = found.ranking.set_index("model")
    assert at.loc["additive", ["kind", "standing", "baseline"]].tolist() == ["model", "ahead", "nothing"]
    assert set(found.ranking["metric"]) == {"discrimination"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h1>Which?</h1>" in page and "additive is ahead of the best baseline in 1 of 1 comparisons" in page


def test_mistakes(out, tmp_path):
    with pytest.raises(ValueError, match="'nobody'.* are not models of the grid, which has \\['nothing', 'additive'"):
        report(out, baselines="nobody")
    with pytest.raises(ValueError, match="no scores of \\['mae'\\], only of \\['discrimination', 'pearson', 'rmse'\\]"):
        report(out, metrics="mae")
    with pytest.raises(FileNotFoundError, match="holds no grid"):
        report(tmp_path)
