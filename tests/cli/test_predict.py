from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.cli._predict import changes, check_names, log_normalised, model_class, verdict

CONTEXTS = ("--perturbation-key", "condition", "--control", "ctrl", "--context-key", "type")


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """Counts of three cell types of which all but one were stimulated, with ten genes that rise fourfold."""
    rng = np.random.default_rng(0)
    base = rng.gamma(2.0, 2.0, (3, 60))
    kind = np.repeat([0, 1, 2], 80)
    treated = np.tile([False, True], 120) & (kind < 2)
    rates = base[kind] * np.where(treated[:, None] & (np.arange(60) < 10), 4.0, 1.0)
    obs = pd.DataFrame({"type": np.array(["T", "B", "NK"])[kind], "condition": np.where(treated, "stim", "ctrl")})
    adata = ad.AnnData(rng.poisson(rates).astype(np.float32), obs=obs.set_axis([f"cell{i}" for i in range(240)]))
    adata.var_names = [f"Gene{i}" for i in range(60)]
    path = tmp_path_factory.mktemp("contexts") / "cells.h5ad"
    adata.write_h5ad(path)
    return path


def test_a_context_that_was_not_measured(run, contexts, tmp_path):
    options = ("--perturbation", "stim", "--context", "NK", "--compare", "TrainMean", "--n-cells", 30)
    result = run("predict", contexts, *CONTEXTS, *options, "--out", tmp_path / "out", "--quiet", "--json")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    said = json.loads(result.stdout)
    predicted = ad.read_h5ad(said["cells"])
    assert predicted.n_obs == 30 and set(predicted.obs["context"]) == {"NK"}
    assert said["notes"] == [] and said["model_name"] == "WeightedDelta"
    # The genes that the stimulation raises in the other types are those that it is predicted to raise here
    change = pd.read_csv(said["change"])
    assert (
        set(change["gene"].head(10)) == {f"Gene{i}" for i in range(10)} and (change["predicted"].head(10) > 0.5).all()
    )
    scores = pd.read_csv(said["scores"])
    assert {"WeightedDelta", "TrainMean", "NoChange", "MeanDelta"} <= set(scores["model"])
    assert set(scores["context"]) == {"T", "B"}
    assert "better than no change" in said["verdict"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "the model that the user guide of scpi starts with" in page
    model = scpi.model.WeightedDelta.load(
        said["model"], adata=log_normalised(ad.read_h5ad(contexts), layer=None, mod=None)
    )
    again = model.predict(perturbation="stim", context="NK", n_cells=30, rng=0)
    np.testing.assert_allclose(again.X.toarray(), predicted.X.toarray(), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--perturbation", "STIM", "--context", "NK"], "--perturbation names 'STIM', which is no perturbation of"),
        (["--perturbation", "ctrl", "--context", "NK"], "--perturbation names 'ctrl', which is no perturbation of"),
        (["--perturbation", "stim", "--context", "nk"], "--context is 'nk', which has no control cell in obs['type']"),
        (["--perturbation", "stim", "--context", "NK", "--context-key", "t"], "--context-key names 't', but `obs` has"),
        (["--perturbation", "stim", "--context", "NK", "--perturbation-key", "p"], "--perturbation-key names 'p', but"),
        (["--perturbation", "stim", "--context", "NK", "--compare", "Wrong"], "no model 'Wrong'"),
    ],
)
def test_names_are_checked_before_any_evaluation(run, contexts, tmp_path, monkeypatch, options, message):
    monkeypatch.setattr(scpi.benchmark, "evaluate", lambda *args, **kwargs: pytest.fail("evaluated"))
    result = run("predict", contexts, *CONTEXTS, *options, "--out", tmp_path / "out")
    assert result.exit_code == 2 and result.output.startswith("Error: ")
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_a_control_that_no_cell_has(contexts):
    keys = {"perturbation_key": "condition", "control": 0, "delimiter": "+", "context_key": None}
    with pytest.raises(
        ValueError, match=r"No cell of obs\['condition'\] is labelled '0' \(`control`\), only 'ctrl', 'stim'"
    ):
        check_names(ad.read_h5ad(contexts), ["stim"], None, **keys)


def test_what_is_measured_is_no_test(run, contexts, tmp_path):
    options = ("--perturbation", "stim", "--context", "B", "--model", "MeanDelta", "--out", tmp_path / "out")
    result = run("predict", contexts, *CONTEXTS, *options)
    assert result.exit_code == 0, result.output
    assert "40 cells of what was asked for are measured" in " ".join(result.stderr.split())


def test_a_combination_that_was_not_measured(run, tmp_path):
    adata = scpi.datasets.plant_screen(n_perturbations=4, n_cells=20, n_decoy_sets=0, rng=0)
    labels = adata.obs["perturbation"].astype(str)
    combination = next(label for label in labels if "+" in label)
    adata = adata[labels != combination].copy()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    result = run(
        "predict", tmp_path / "cells.h5ad", "--perturbation", combination, "--out", tmp_path / "out", "-q", "--json"
    )
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    (label,) = ad.read_h5ad(said["cells"]).obs["perturbation"].unique()
    assert said["model_name"] == "Linear" and sorted(label.split("+")) == sorted(combination.split("+"))
    assert {row["model"] for row in said["summary"]} >= {"Linear", "Additive", "NoChange"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--perturbation", "stim", "--context", "NK", "--control", "ctrl"], "--context-key: give both"),
        (
            [*CONTEXTS, "--perturbation", "stim", "--context", "NK", "--model", "Oracle"],
            "no model 'Oracle' that predicts",
        ),
        (
            [*CONTEXTS, "--perturbation", "stim", "--context", "NK", "--model", "GeneProgramAE"],
            "no model 'GeneProgramAE'",
        ),
        ([*CONTEXTS, "--perturbation", "heat", "--context", "NK"], "'heat'"),
        ([*CONTEXTS, "--perturbation", "stim", "--context", "Z"], "'Z'"),
        (["--perturbation", "stim", "--perturbation-key", "wrong"], "'wrong'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(run, contexts, tmp_path, options, message):
    result = run("predict", contexts, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and message in errors[0] and "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_models_that_predict_perturbations():
    assert model_class("SENAVAE") is scpi.model.SENAVAE
    with pytest.raises(ValueError, match=r"there are .*Additive.*WeightedDelta"):
        model_class("NBVAE2")


def test_changes_are_sorted_by_size():
    table = pd.DataFrame(
        {
            "gene": ["a", "b", "c"],
            "perturbation": "A",
            "predicted": [0.5, -2.0, 0.0],
            "measured": np.nan,
            "n_measured": 0,
            "status": "x",
        }
    )
    assert changes(table)["gene"].tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.2, -0.1, "it is better"), (-0.1, 0.1, "it is not clearly better"), (0.1, 0.2, "it is worse")],
)
def test_the_verdict_follows_the_interval(low, high, words):
    rows = [("Linear", 0.5, (low + high) / 2, low, high), ("NoChange", 1.0, 0.0, 0.0, 0.0)]
    summary = pd.DataFrame(rows, columns=["model", "mean", "difference", "low", "high"]).assign(metric="rmse")
    found = verdict(summary, "Linear", n_left_out=7)
    assert found.startswith("On 7 measured conditions that were left out, the error of Linear is 0.50 times")
    assert f"{words} than no change" in found
