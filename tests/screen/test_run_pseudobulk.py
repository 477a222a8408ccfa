from __future__ import annotations

import json
import re

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest

from scpi.screen import run_pseudobulk, run_screen, with_zero_control
from scpi.screen._run_pseudobulk import _ranked

HALVES = ("half1", "half2")


def profiles(*, n_singles=6, n_genes=50, seed=0, interaction=0.3, noise=0.05, zero=False):
    """Log profiles, or changes, of singles and all of their pairs but one, with halves of the pairs."""
    rng = np.random.default_rng(seed)
    names = [chr(65 + i) for i in range(n_singles)]
    single = dict(zip(names, rng.normal(0, 0.5, (n_singles, n_genes)), strict=True))
    pairs = [f"{b}+{a}" for i, a in enumerate(names) for b in names[i + 1 :]][:-1]
    effects = single | {
        pair: sum(single[name] for name in pair.split("+")) + rng.normal(0, interaction, n_genes) for pair in pairs
    }
    labels = list(effects) if zero else ["control", *effects]
    mean = np.stack([(0 if zero else 5) + effects.get(label, np.zeros(n_genes)) for label in labels])
    halves = [mean + rng.normal(0, noise * np.sqrt(2), mean.shape) for _ in range(2)]
    made = ad.AnnData(
        ((halves[0] + halves[1]) / 2).astype("f4"),
        obs=pd.DataFrame({"perturbation": labels}, index=labels),
        var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]),
    )
    for name, half in zip(HALVES, halves, strict=True):
        made.layers[name] = np.where([["+" in label] for label in labels], half, np.nan)
    return made


@pytest.fixture(scope="module")
def adata():
    return profiles()


@pytest.fixture(scope="module")
def result(adata, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    return run_pseudobulk(adata, halves=HALVES, predict=["E+F", "A"], out=out, title="A <b>title</b>")


def test_every_combination_is_predicted_in_one_fold(adata, result):
    pairs = sorted("+".join(sorted(label.split("+"))) for label in adata.obs["perturbation"] if "+" in label)
    assert result.held_out == pairs and len(pairs) == 14
    own = result.scores[result.scores["model"] == "additive"]
    assert sorted(own["perturbation"]) == pairs
    assert sorted(own["split"].unique()) == [f"fold {i}" for i in range(1, 6)]
    names = ["linear", "additive", "mean change", "no change", "split-half ceiling", "perfect prediction"]
    assert sorted(result.scores["model"].unique()) == sorted(names)
    assert result.scores["model"].iloc[0] == result.baseline.split(" = ")[0]


def test_scores_are_those_of_the_changes(adata, result):
    x = adata.to_df().astype(float)
    control = x.loc["control"]
    own = result.scores.set_index(["model", "perturbation"])
    for label in result.held_out:
        real = x.loc["+".join(reversed(label.split("+")))] - control
        added = sum(x.loc[name] - control for name in label.split("+"))
        assert own.loc[("additive", label), "pearson"] == pytest.approx(np.corrcoef(real, added)[0, 1], abs=1e-5)


def test_folds_and_rankings_are_those_of_the_scores(result):
    own = result.scores[result.scores["model"] == "linear"].groupby("split")["pearson"].mean()
    fold = result.folds.query("model == 'linear' and metric == 'pearson'").set_index("split")
    np.testing.assert_allclose(fold["mean"], own[fold.index])
    assert fold["sd_of_folds"].iloc[0] == pytest.approx(own.std(ddof=1))
    first = result.rankings[0]
    means = result.scores.groupby("model")["pearson"].mean()
    assert first.mean == pytest.approx(means[["linear", "additive", "mean change"]].max())
    assert first.perfect == pytest.approx(means["perfect prediction"])
    assert set(first.level) | set(first.behind) | {first.best} == {"linear", "additive", "mean change", "no change"}
    error = next(one for one in result.rankings if one.metric == "error_ratio")
    averages = result.scores.groupby("model")["error_ratio"].mean()
    assert error.mean == pytest.approx(averages[["linear", "additive", "mean change", "no change"]].min())


def test_level_is_what_the_interval_says():
    n = 40
    wave = np.where(np.arange(n) % 2, 0.1, -0.1)
    values = {"linear": np.full(n, 0.6), "additive": 0.59 + wave, "mean change": np.full(n, 0.5)}
    rows = [
        {
            "model": name,
            "split": "fold 1",
            "context": "",
            "perturbation": f"c{i}",
            "dose": 1.0,
            "pearson": value,
            "rmse": 1 - value,
        }
        for name, own in (values | {"split-half ceiling": [np.nan] * n, "perfect prediction": [np.nan] * n}).items()
        for i, value in enumerate(own)
    ]
    table = pd.DataFrame(rows).assign(**dict.fromkeys(("pearson_perturbed", "r2", "discrimination"), np.nan))
    table["error_ratio"] = 1 - table["pearson"]
    scores, summary, rankings = _ranked(table, 0)
    # The mean difference of 0.01 is less than two standard errors of 0.016
    for one in rankings:
        assert (one.best, one.level, one.behind) == ("linear", ["additive"], ["mean change"])
    assert [one.metric for one in rankings] == ["pearson", "error_ratio"]
    assert rankings[1].mean == pytest.approx(0.4) and np.isnan(rankings[0].perfect)
    # Without a ceiling there are no rows of one
    assert set(scores["model"]) == set(values) == set(summary["model"])
    sure = table.assign(pearson=np.where(table["model"] == "additive", 0.59, table["pearson"]))
    assert _ranked(sure, 0)[2][0].level == []


def test_conditions_that_are_asked_for_are_predicted_from_all_profiles(adata, result):
    predicted = result.predicted
    assert predicted.obs.groupby("model", observed=True)["perturbation"].apply(list).tolist() == [["E+F", "A"]] * 4
    x = adata.to_df()
    added = predicted[(predicted.obs["model"] == "additive") & (predicted.obs["perturbation"] == "E+F")]
    np.testing.assert_allclose(added.X[0], x.loc["E"] + x.loc["F"] - x.loc["control"], rtol=1e-5)


def test_the_files(adata, result):
    names = {"report.html", "profiles.h5ad", "predicted.h5ad", "scores.csv", "summary.csv", "folds.csv", "run.json"}
    assert {path.name for path in result.out.iterdir()} == names
    stored = ad.read_h5ad(result.out / "profiles.h5ad")
    np.testing.assert_array_equal(stored.X, adata.X)
    assert ad.read_h5ad(result.out / "predicted.h5ad").n_obs == 8
    run = json.loads((result.out / "run.json").read_text(encoding="utf-8"))
    assert run["held_out"] == result.held_out and run["halves"] == list(HALVES)
    pd.testing.assert_frame_equal(pd.read_csv(result.out / "folds.csv"), result.folds, rtol=1e-6)


def test_the_report_says_what_the_rows_are_and_what_the_noise_is(result):
    html = (result.out / "report.html").read_text(encoding="utf-8")
    assert "A &lt;b&gt;title&lt;/b&gt;" in html
    assert re.findall(r"https?://", html) == []
    for words in (
        "Rows are conditions, not cells",
        "No network was trained",
        "a perfect prediction would reach",
        "By fold",
    ):
        assert words in html
    assert f"{result.rankings[0].perfect:.3f}" in html
    anchors = re.findall(r'href="#([^"]+)"', html)
    assert anchors and all(f'id="{anchor}"' in html for anchor in anchors)


def test_changes_without_a_control_row():
    given = profiles(zero=True)
    for run in (run_pseudobulk, run_screen):
        with pytest.raises(ValueError, match=r"with_zero_control|run_pseudobulk"):
            run(given)
    found = run_pseudobulk(with_zero_control(given))
    assert (
        "Values",
        "Changes against the control, whose profile is zero: its noise is in all changes.",
    ) in found.design
    assert "split-half ceiling" not in set(found.scores["model"]) and np.isnan(found.rankings[0].perfect)
    x = given.to_df().astype(float)
    own = found.scores.set_index(["model", "perturbation"])
    r = np.corrcoef(x.loc["A"] + x.loc["B"], x.loc["B+A"])[0, 1]
    assert own.loc[("additive", "A+B"), "pearson"] == pytest.approx(r, abs=1e-5)


def test_sums_of_counts_are_normalised():
    rng = np.random.default_rng(0)
    logs = profiles()
    counts = logs.copy()
    counts.X = rng.poisson(np.expm1(logs.X) * 20).astype("f4")
    for name in HALVES:
        counts.layers[name] = np.where(np.isnan(logs.layers[name]), np.nan, rng.poisson(np.expm1(logs.X) * 10))
    found = run_pseudobulk(counts, halves=HALVES)
    depth = counts.X.sum(1, keepdims=True)
    np.testing.assert_allclose(found.adata.X, np.log1p(counts.X / depth * 1e4), rtol=1e-5)
    assert found.notes[0] == "Sums of counts were scaled to 10,000 per row, and log1p was taken."
    assert found.rankings[0].perfect > 0.9
    with pytest.raises(ValueError, match="`adata.X` is neither counts nor on a log scale"):
        run_pseudobulk(ad.AnnData(counts.X * 0.7, obs=counts.obs, var=counts.var))


def test_combinations_whose_members_were_not_measured_stay_in_training(adata):
    found = run_pseudobulk(adata[adata.obs["perturbation"] != "F"].copy())
    assert not any("F" in label for label in found.held_out) and len(found.held_out) == 10
    assert "additive" in set(found.scores["model"])
    assert found.notes[0].startswith("4 combinations with a member that was not measured alone were not held out")
    at_once = run_pseudobulk(adata[adata.obs["perturbation"] != "F"].copy(), held_out=["A+F", "A+B"])
    assert at_once.held_out == ["A+B", "A+F"] and set(at_once.scores["split"]) == {"fold 1"}
    assert "additive" not in set(at_once.scores["model"])
    assert any("additive baseline does not apply" in note and note.endswith("F.") for note in at_once.notes)


def test_replicate_rows_give_a_ceiling():
    parts = [profiles(noise=0.3) for _ in range(4)]
    rng = np.random.default_rng(1)
    for part in parts:
        part.X = (part.X + rng.normal(0, 0.3, part.shape)).astype("f4")
    given = ad.concat(parts, index_unique="_")
    given.obs["context"] = "x"
    found = run_pseudobulk(given, context_key="context")
    assert dict(found.design)["Replicates"] == "20 of 20 conditions have several rows, 4 at most, which are halved."
    assert 0.3 < found.summary.set_index(["model", "metric"]).loc[("split-half ceiling", "pearson"), "mean"] < 1
    # Half of the control rows are set aside for the measured change
    assert not {"Control", "Values"} & set(dict(found.design))


def test_a_modality_of_a_mudata(adata, result):
    rna = adata.copy()
    rna.layers["log"] = rna.X
    labels = rna.obs.pop("perturbation")
    rna.X = rna.X * 0 - 1
    mdata = mudata.MuData({"rna": rna, "other": adata[:, :3].copy()})
    mdata.obs["perturbation"] = labels
    found = run_pseudobulk(mdata, mod="rna", layer="log", halves=HALVES)
    columns = ["model", "split", "perturbation", "pearson"]
    pd.testing.assert_frame_equal(found.scores[columns], result.scores[columns])


def test_what_cannot_be_done_is_said(adata):
    with pytest.raises(ValueError, match="There is no combination among the conditions"):
        run_pseudobulk(adata[:7].copy())
    with pytest.raises(ValueError, match="Unknown perturbation 'Z' in `predict`"):
        run_pseudobulk(adata, predict="Z+A")
    with pytest.raises(ValueError, match="`n_splits` must be at least 1, but is 0"):
        run_pseudobulk(adata, n_splits=0)
    with pytest.raises(ValueError, match="run_pseudobulk"):
        run_screen(adata)


@pytest.mark.parametrize(
    ("name", "n"),
    [("wessels2023_carpool_pseudobulk_28s_158d", 158), ("norman2019_pseudobulk_lfc_104s_130d", 126)],
)
@pytest.mark.slow
def test_published_profiles(test_data, name, n):
    adata = ad.read_h5ad(test_data(f"{name}.h5ad"))
    has_halves = "half1" in adata.layers
    found = run_pseudobulk(adata if has_halves else with_zero_control(adata), halves=HALVES if has_halves else None)
    assert len(found.held_out) == n
    means = found.summary.set_index(["model", "metric"])["mean"]
    assert means["linear", "pearson"] > means["additive", "pearson"] > means["mean change", "pearson"]
    if has_halves:
        assert means["linear", "pearson"] < means["perfect prediction", "pearson"] < 1
