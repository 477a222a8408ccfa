from __future__ import annotations

import json
import re

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.datasets import plant_screen
from scpi.screen import read_screen, run_screen
from scpi.screen._tables import verdict

FILES = {
    "causal_graph.csv",
    "differential_activity.csv",
    "effects.csv",
    "genes.csv",
    "model",
    "predicted.h5ad",
    "report.html",
    "run.json",
    "scores.csv",
    "screen.h5ad",
    "summary.csv",
}


@pytest.fixture(scope="module")
def screen():
    return plant_screen(n_perturbations=3, n_cells=30, n_control=120, n_decoy_sets=3, effect_size=2.0, rng=0)


@pytest.fixture(scope="module")
def planted(screen, tmp_path_factory):
    return run_screen(screen, out=tmp_path_factory.mktemp("run") / "out", max_epochs=2, title="A <b>title</b>")


def test_the_input_is_left_as_it_was(screen, planted):
    assert set(screen.obs) == set(plant_screen(n_perturbations=2, n_cells=2, n_decoy_sets=0).obs)
    assert set(screen.uns) == {"gene_sets", "truth"}
    assert not screen.layers
    assert not screen.obsm


def test_all_files_are_there_and_can_be_read(planted):
    assert {path.name for path in planted.out.iterdir()} == FILES
    adata = anndata.read_h5ad(planted.out / "screen.h5ad")
    predicted = anndata.read_h5ad(planted.out / "predicted.h5ad")
    np.testing.assert_allclose(adata.obsm["pathway_activity"], planted.adata.obsm["pathway_activity"])
    assert set(predicted.obs["perturbation"]) == set(planted.held_out)
    pd.testing.assert_frame_equal(pd.read_csv(planted.out / "scores.csv"), planted.scores, rtol=1e-6)
    model = scpi.model.SENAVAE.load(str(planted.out / "model"), adata=planted.adata)
    again = model.predict(perturbation=planted.held_out[0], n_cells=3, output="mean")
    now = planted.model.predict(perturbation=planted.held_out[0], n_cells=3, output="mean")
    np.testing.assert_allclose(again.X, now.X, rtol=1e-5)


def test_what_is_held_out_was_in_no_training(planted):
    assert len(planted.held_out) == 1
    (label,) = planted.held_out
    assert label not in planted.model.trained_conditions_
    assert set(planted.predicted.obs["status"]) == {"unseen combination"}
    assert set(planted.scores["perturbation"]) == {label}
    labels = planted.adata.obs["perturbation"].to_numpy()
    assert label not in set(labels[planted.model.train_indices]) | set(labels[planted.model.validation_indices])


def test_the_table_has_the_model_the_baselines_and_the_ceilings(planted):
    names = ["SENAVAE", "additive", "linear", "mean change", "no change", "split-half ceiling", "perfect prediction"]
    assert list(planted.scores["model"].unique()) == names
    means = planted.summary.set_index(["model", "metric"])["mean"]
    own = planted.scores[planted.scores["model"] == "additive"]
    assert means["additive", "pearson"] == pytest.approx(own["pearson"].mean())


def test_the_additive_baseline_is_the_sum_of_means_of_training_cells(planted):
    (label,) = planted.held_out
    adata, train = planted.adata, planted.model.train_indices
    labels = adata.obs["perturbation"].to_numpy().astype(str)[train]
    x = adata.X[train].toarray()
    control = x[labels == "control"].mean(0)
    added = sum(x[labels == name].mean(0) - control for name in label.split("+"))
    tested = np.setdiff1d(np.arange(adata.n_obs), train)
    rest = adata.obs["perturbation"].to_numpy().astype(str)[tested]
    real = adata.X[tested[rest == label]].toarray().mean(0) - adata.X[tested[rest == "control"]].toarray().mean(0)
    score = planted.scores.set_index(["model", "perturbation"]).loc[("additive", label), "pearson"]
    # The table measures the change against half of these control cells
    assert score == pytest.approx(np.corrcoef(added, real)[0, 1], abs=0.15)


def test_the_truth_is_compared(planted, screen):
    truth, stored = planted.truth, screen.uns["truth"]
    row = [set(label.split("+")) for label in stored["conditions"]].index(set(planted.held_out[0].split("+")))
    lfc, added = stored["lfc"][row], stored["additive_lfc"][row]
    assert truth["additive_error"] == pytest.approx(np.linalg.norm(added - lfc) / np.linalg.norm(lfc))
    assert truth["n_edges"] == (stored["graph"] != 0).sum()
    assert truth["edge_chance"] == pytest.approx(truth["n_edges"] / 6)
    results = scpi.get.differential_activity(planted.adata)
    first = results[results["rank"] == 1].set_index("group")["set"]
    names = [str(name) for name in stored["targets"]["perturbation"]]
    assert truth["programs_first"] == sum(first[name] == f"program_{name}" for name in names)
    assert truth["programs_tested"] == 3


def test_the_report_is_one_file_without_requests(planted):
    html = (planted.out / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img alt="[^"]+" width="[0-9]+" src="data:image/png;base64,', html)) >= 5
    # The rows of the genes as data, the search in them, and what says that a box scrolls
    assert re.findall(r"<script[^>]*>", html) == [
        '<script type="application/json" id="genes-data">',
        "<script>",
        "<script>",
    ]
    anchors = re.findall(r'href="#([^"]+)"', html)
    assert len(anchors) >= 7
    assert all(f'id="{anchor}"' in html for anchor in anchors)
    assert re.findall(r"https?://", html) == []
    assert re.findall(r'(?:src|href)="(?!data:|#)', html) == []
    assert "prefers-color-scheme: dark" in html
    assert "A &lt;b&gt;title&lt;/b&gt;" in html
    for label in planted.held_out:
        assert label in html
    explained = scpi.get.explained_prediction(planted.adata, "conditions")["perturbation"].tolist()
    assert 1 <= len(explained) <= 3
    assert set(explained) <= set(planted.held_out)
    assert all(f"Prediction of {label}" in html for label in explained)
    assert len(html) < 3_000_000
    mean = planted.summary.set_index(["model", "metric"]).loc[("additive", "pearson"), "mean"]
    assert f"<td>{mean:.3f}</td>" in html


def test_the_settings_are_kept(planted):
    run = json.loads((planted.out / "run.json").read_text(encoding="utf-8"))
    assert run["held_out"] == planted.held_out
    assert run["max_epochs"] == 2
    assert run["versions"]["scpi"] == scpi.__version__


def test_without_combinations_cells_are_held_out():
    screen = plant_screen(n_perturbations=3, n_cells=30, n_control=120, n_decoy_sets=2, doubles=False, rng=0)
    result = run_screen(screen, max_epochs=1)
    assert result.held_out == []
    assert result.out is None
    assert result.scores["perturbation"].nunique() == 3
    assert any("the cells of every perturbation" in note for note in result.notes)
    # A fifth of the 30 cells of each
    assert set(result.scores["n_cells"]) == {6}


def test_a_perturbation_without_training_cells_is_not_explained(tmp_path):
    """It is said before the training, and nothing is claimed of a change of zero."""
    screen = plant_screen(n_perturbations=3, n_cells=30, n_control=120, n_decoy_sets=2, doubles=False, rng=0)
    label = str(screen.obs["perturbation"].cat.categories.drop("control")[0])
    with pytest.warns(UserWarning, match=f"SENAVAE predicts no change of {label}, .* `scpi.model.PerturbationGP`"):
        result = run_screen(screen, held_out=[label], max_epochs=1, out=tmp_path / "out")
    assert result.untrained == [label]
    others = sorted(set(screen.obs["perturbation"]) - {"control", label})
    assert sorted(scpi.get.intervention_targets(result.adata)["perturbation"]) == others
    assert result.adata.uns["causal_graph"]["factors"]["n_targets"].sum() == 2
    assert "explained_prediction" not in result.adata.uns
    # One condition has no interval
    own = result.summary[result.summary["metric"] == "rmse"]
    assert own["low"].isna().all() and own["mean_low"].isna().all() and own["mean"].notna().any()
    page = (result.out / "report.html").read_text(encoding="utf-8")
    assert f"SENAVAE predicts no change of {label}" in page and f"Prediction of {label}" not in page
    text = re.sub(r"base64,[^\"]+", "", page)
    assert "1 condition that no model was trained on" in text
    assert not any(slip in text for slip in ("1 conditions", "nan,", "another perturbation –"))


def test_counts_further_predictions_and_other_names(screen):
    adata = screen.copy()
    adata.obs["guide"] = adata.obs["perturbation"].astype(str).str.replace("+", "|").replace("control", "NT")
    names = sorted(set(adata.obs["guide"]) - {"NT"}, key=len)
    triple = "|".join(names[:3])
    del adata.obs["perturbation"]
    result = run_screen(
        adata,
        {"first": list(adata.var_names[:50]), "second": list(adata.var_names[50:90])},
        perturbation_key="guide",
        control="NT",
        delimiter="|",
        likelihood="nb",
        predict=[triple],
        max_epochs=1,
        held_out=[names[3]],
    )
    scores = result.predicted.uns["prediction"]["scores"].set_index("perturbation")
    assert len(scores) == 2
    assert scores["n_real"].to_dict() == {result.held_out[0]: 30, "|".join(sorted(names[:3])): 0}
    # Counts are predicted, and scored on the log scale
    counts = result.predicted.layers["counts"].toarray()
    np.testing.assert_allclose(
        result.predicted.X.toarray(), np.log1p(counts / counts.sum(1, keepdims=True) * 1e4), rtol=1e-4, atol=1e-5
    )
    assert result.adata.varm["gene_sets"].shape[1] == 2


def test_an_additive_baseline_that_does_not_apply_is_left_out(screen):
    names = [str(name) for name in screen.uns["truth"]["targets"]["perturbation"]]
    adata = screen[screen.obs["perturbation"] != names[0]].copy()
    pair = next(label for label in adata.obs["perturbation"].cat.categories if "+" in label and names[0] in label)
    result = run_screen(adata, held_out=[pair], max_epochs=1)
    assert "additive" not in set(result.scores["model"])
    assert any(names[0] in note for note in result.notes)
    assert result.baseline in {"linear", "mean change"}


def test_the_verdict_names_the_best_baseline(planted):
    means = planted.summary.set_index(["model", "metric"])["mean"].xs("pearson", level="metric")
    best = means[["additive", "linear", "mean change"]].idxmax()
    assert planted.baseline == best
    words = {"additive": "adding single effects", "linear": "a linear model", "mean change": "the mean change"}
    assert f"the best baseline is {words[best]}" in verdict(planted)
    assert f"r against {best}" in (planted.out / "report.html").read_text(encoding="utf-8")


def test_the_design_is_understood_and_used(screen):
    """Replicates, guides and two contexts: genes by samples, guides beside cells, and controls of the same context."""
    adata = screen.copy()
    rng = np.random.default_rng(0)
    adata.obs["donor"] = rng.choice(["d1", "d2", "d3"], adata.n_obs)
    adata.obs["state"] = rng.choice(["rest", "stim"], adata.n_obs)
    adata.obs["guide"] = adata.obs["perturbation"].astype(str) + rng.choice(["g1", "g2", "g3"], adata.n_obs)
    labels = adata.obs["perturbation"].astype(str)
    labels.iloc[np.flatnonzero(labels == "control")[:7]] = "doublet"
    adata.obs["perturbation"] = labels
    keys = {"sample_key": "donor", "guide_key": "guide", "context_key": "state", "batch_key": "donor"}
    result = run_screen(adata, max_epochs=1, unassigned=["doublet"], **keys)
    topics = dict(result.design)
    assert topics["Conditions"].startswith(
        "113 control cells ('control'), 3 perturbations and 3 combinations, of 30 cells"
    )
    assert topics["Replicates"].startswith("3 in 'donor' (d1: ")
    assert topics["Guides"].startswith("21: 3 for each condition (median 3), 3 of the control")
    assert "2 in 'state' (rest: " in topics["Contexts"]
    assert "7 cells without a label, or unassigned, in 'perturbation' were left out." in result.notes
    # A donor has fewer than ten cells of a perturbation in each state
    assert any("because no perturbation has 10 cells in two samples" in note for note in result.notes)
    assert result.model.has_contexts
    assert set(result.adata.uns) >= {"perturbation_effect", "responders", "guide_agreement", "differential_expression"}
    assert result.adata.uns["perturbation_effect"]["params"]["batch_key"] == "donor"


def test_a_column_that_is_not_there_is_named(screen):
    with pytest.raises(KeyError, match="`sample_key` names 'donor', but `obs` has no column 'donor'"):
        run_screen(screen, sample_key="donor")


def test_cells_without_a_perturbation_and_several_controls(screen):
    adata = screen.copy()
    labels = adata.obs["perturbation"].astype(str).to_numpy().astype(object)
    controls = np.flatnonzero(labels == "control")
    labels[controls[:50]], labels[controls[50:53]] = "NT", "unassigned"
    adata.obs["perturbation"] = labels
    result = run_screen(adata, control=["control", "NT"], max_epochs=1)
    assert result.adata.n_obs == screen.n_obs - 3
    assert (result.adata.obs["perturbation"] == "control").sum() == 117
    assert any(note.startswith("3 cells without a label, or unassigned") for note in result.notes)


def test_without_a_delimiter_no_label_is_a_combination(screen):
    labels = screen.obs["perturbation"].astype(str)
    pairs = sorted(name for name in set(labels) if "+" in name)
    few = screen[~labels.isin(pairs[1:]).to_numpy()].copy()
    result = run_screen(few, delimiter=None, max_epochs=1)
    assert result.held_out == []
    assert pairs[0] in result.model.perturbations_
    assert set(result.model.perturbations_) == set(labels) - {"control", *pairs[1:]}


def test_of_many_conditions_fewer_cells_are_predicted(screen, monkeypatch):
    monkeypatch.setattr("scpi.screen._run._MOST_CELLS", 20)
    monkeypatch.setattr("scpi.screen._run._FEW_KEPT", 7)
    monkeypatch.setattr("scpi.screen._run._FEW_COMPARED", 25)
    result = run_screen(screen, max_epochs=1)
    sizes = result.predicted.obs["perturbation"].value_counts()
    kept, compared = (max(few, 20 // len(sizes)) for few in (7, 25))
    assert set(sizes) == {kept}
    said = f"Of each of the {len(sizes)} conditions, at most {compared} cells were compared, and {kept} predicted ones kept."
    assert said in result.notes


def test_a_modality_of_a_mudata(screen):
    rna = screen.copy()
    labels = rna.obs.pop("perturbation")
    mdata = mudata.MuData({"rna": rna, "other": rna[:, :3].copy()})
    mdata.obs["perturbation"] = labels.astype(str)
    result = run_screen(mdata, mod="rna", max_epochs=1)
    assert result.adata.n_vars == screen.n_vars
    with pytest.raises(ValueError, match="mod="):
        run_screen(mdata, max_epochs=1)


def test_mistakes_are_found_before_training(screen):
    with pytest.raises(ValueError, match="Unknown perturbation 'nobody'"):
        run_screen(screen, predict=["nobody"])
    log = screen.copy()
    log.X = log.X.log1p()
    with pytest.raises(ValueError, match="needs counts"):
        run_screen(log, likelihood="nb")


STAGES = ["_train_baselines", "_predict", "_explain"]


@pytest.mark.parametrize(
    "stage", [*(pytest.param(stage, marks=pytest.mark.slow) for stage in (*STAGES[:2], "write_results")), STAGES[2]]
)
def test_a_run_goes_on_where_it_stopped(screen, planted, tmp_path, monkeypatch, stage):
    def fail(*args, **kwargs):
        raise RuntimeError

    def never(*args, **kwargs):
        raise AssertionError

    arguments = {"out": tmp_path / "out", "max_epochs": 2, "title": "Other"}
    with monkeypatch.context() as patch:
        patch.setattr(f"scpi.screen._run.{stage}", fail)
        with pytest.raises(RuntimeError) as error:
            run_screen(screen, **arguments)
    assert "go on by `resume=True`" in error.value.__notes__[0]
    done = STAGES[: STAGES.index(stage)] if stage in STAGES else STAGES
    with monkeypatch.context() as patch:
        for name in ("_train", *done):
            patch.setattr(f"scpi.screen._run.{name}", never)
        result = run_screen(screen, **arguments, resume=True)
    assert {path.name for path in result.out.iterdir()} == FILES
    pd.testing.assert_frame_equal(result.scores, planted.scores)
    pd.testing.assert_frame_equal(result.summary, planted.summary)
    assert (result.predicted.X != planted.predicted.X).nnz == 0
    assert (result.held_out, result.notes, result.truth) == (planted.held_out, planted.notes, planted.truth)
    for name in ("differential_activity.csv", "causal_graph.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(result.out / name), pd.read_csv(planted.out / name))


def test_a_run_goes_on_with_its_own_data(screen, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError

    arguments = {"out": tmp_path / "out", "max_epochs": 1}
    with monkeypatch.context() as patch:
        patch.setattr("scpi.screen._run._predict", fail)
        with pytest.raises(RuntimeError):
            run_screen(screen, **arguments)
    with pytest.raises(ValueError, match=r"begun with other arguments or data \(data: "):
        run_screen(screen[:-1].copy(), **arguments, resume=True)
    with pytest.raises(ValueError, match=r"begun with other arguments or data \(max_epochs: 1, now 2\)"):
        run_screen(screen, **arguments | {"max_epochs": 2}, resume=True)


def test_files_are_read_by_their_suffix(tmp_path, screen):
    screen.write_h5ad(tmp_path / "a.h5ad")
    screen.write_zarr(tmp_path / "a.zarr")
    mudata.MuData({"rna": screen}).write(tmp_path / "a.h5mu")
    for name in ("a.h5ad", "a.zarr"):
        assert read_screen(tmp_path / name).shape == screen.shape
    assert read_screen(tmp_path / "a.h5mu").mod["rna"].shape == screen.shape


def test_files_that_cannot_be_read_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        read_screen(tmp_path / "a.h5ad")
    with pytest.raises(ValueError, match="must end in"):
        read_screen(tmp_path / "a.loom")
    (tmp_path / "b.h5ad").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be read"):
        read_screen(tmp_path / "b.h5ad")
