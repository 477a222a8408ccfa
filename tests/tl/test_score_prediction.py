from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse

import scpi
from scpi.metrics import energy_distance, mmd, pearson_delta, rmse

GENES = [f"g{i}" for i in range(12)]
EFFECT = {"control": np.zeros(12), "A": np.linspace(-1, 1, 12), "B+A": np.linspace(0, 2, 12), "C": np.ones(12)}


@pytest.fixture
def real():
    rng = np.random.default_rng(0)
    labels = np.repeat(list(EFFECT), [80, 40, 30, 1])
    x = np.stack([EFFECT[label] for label in labels]) + rng.normal(5.0, 0.5, size=(len(labels), 12))
    adata = ad.AnnData(x.astype(np.float32), obs={"perturbation": labels})
    adata.var_names = GENES
    return adata


@pytest.fixture
def predicted():
    rng = np.random.default_rng(1)
    labels = np.repeat(["A", "A+B", "unseen", "C"], 25)
    truth = {"A": EFFECT["A"] * 0.5, "A+B": EFFECT["B+A"], "unseen": np.zeros(12), "C": np.zeros(12)}
    x = np.stack([truth[label] for label in labels]) + rng.normal(5.0, 0.5, size=(100, 12))
    adata = ad.AnnData(
        x.astype(np.float32), obs={"perturbation": labels, "status": np.repeat(["trained", "held out"], 50)}
    )
    adata.var_names = GENES
    adata.uns["prediction"] = {"model": "Fake", "params": {}}
    return adata


def mean(adata, label):
    return adata.X[(adata.obs["perturbation"] == label).to_numpy()].astype(np.float64).mean(axis=0)


def test_changes_are_differences_of_means(predicted, real):
    assert scpi.tl.score_prediction(predicted, real, reference_cells="all") is None
    stored = predicted.uns["prediction"]
    assert stored["model"] == "Fake"
    assert stored["perturbations"].tolist() == ["A", "A+B", "unseen", "C"]
    control = mean(real, "control")
    change_real, change_predicted = predicted.varm["change_real"], predicted.varm["change_predicted"]
    np.testing.assert_allclose(change_real[:, 0], mean(real, "A") - control, rtol=1e-9)
    np.testing.assert_allclose(change_real[:, 1], mean(real, "B+A") - control, rtol=1e-9)
    assert np.isnan(change_real[:, 2]).all()
    np.testing.assert_allclose(change_predicted[:, 2], mean(predicted, "unseen") - control, rtol=1e-9)


def test_scores_are_those_of_the_metrics(predicted, real):
    scpi.tl.score_prediction(predicted, real, reference_cells="all", n_components=None)
    scores = predicted.uns["prediction"]["scores"].set_index("perturbation")
    assert scores["status"].tolist() == ["trained", "trained", "held out", "held out"]
    assert scores["n_predicted"].tolist() == [25] * 4
    assert scores["n_real"].tolist() == [40, 30, 0, 1]
    change_real, change_predicted = predicted.varm["change_real"], predicted.varm["change_predicted"]
    assert scores.loc["A", "pearson"] == pytest.approx(pearson_delta(change_real[:, 0], change_predicted[:, 0]))
    assert scores.loc["A", "rmse_no_change"] == pytest.approx(rmse(change_real[:, 0], np.zeros(12)))
    cells = {label: real.X[(real.obs["perturbation"] == label).to_numpy()] for label in ("control", "A")}
    made = predicted.X[:25]
    assert scores.loc["A", "energy_distance"] == pytest.approx(energy_distance(cells["A"], made), rel=1e-6)
    base = 2 * cells["control"].astype(np.float64).var(axis=0, ddof=1).sum()
    assert scores.loc["A", "mmd"] == pytest.approx(mmd(cells["A"], made, base_bandwidth=base), rel=1e-5)
    assert scores.loc["A", "mmd_no_change"] == pytest.approx(
        mmd(cells["A"], cells["control"], base_bandwidth=base), rel=1e-5
    )
    # The right prediction is better than none, and close to what the noise allows
    assert scores.loc["A+B", "mmd"] < 0.2 * scores.loc["A+B", "mmd_no_change"]
    assert scores.loc["A+B", "rmse"] < 0.3 * scores.loc["A+B", "rmse_no_change"]
    assert 0.9 < scores.loc["A+B", "pearson_ceiling"] < scores.loc["A+B", "pearson_perfect"] <= 1
    metrics = [name for name in scores if name not in {"status", "n_predicted", "n_real"}]
    assert scores.loc["unseen", metrics].isna().all()
    # One real cell has a change, but neither a spread nor two halves
    assert np.isfinite(scores.loc["C", "rmse"])
    assert scores.loc["C", ["mmd", "energy_distance", "pearson_ceiling", "pearson_perfect"]].isna().all()


def test_the_prediction_counts_from_where_it_started(predicted, real):
    predicted.uns["prediction"]["control_mean"] = np.full(12, 4.0)
    scpi.tl.score_prediction(predicted, real)
    np.testing.assert_allclose(predicted.varm["change_predicted"][:, 0], mean(predicted, "A") - 4.0, rtol=1e-9)
    np.testing.assert_allclose(predicted.varm["change_real"][:, 0], mean(real, "A") - mean(real, "control"), rtol=1e-9)
    predicted.uns["prediction"]["control_mean"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        scpi.tl.score_prediction(predicted, real)


def test_control_cells_can_be_chosen(predicted, real):
    chosen = np.flatnonzero(real.obs["perturbation"] == "control")[:10]
    scpi.tl.score_prediction(predicted, real, reference_cells=chosen)
    np.testing.assert_allclose(
        predicted.varm["change_real"][:, 0], mean(real, "A") - mean(real[chosen], "control"), rtol=1e-9
    )
    mask = np.isin(np.arange(real.n_obs), chosen)
    again = scpi.tl.score_prediction(predicted, real, reference_cells=mask, copy=True)
    np.testing.assert_array_equal(again.varm["change_real"], predicted.varm["change_real"])
    with pytest.raises(ValueError, match="not labelled 'control'"):
        scpi.tl.score_prediction(predicted, real, reference_cells=[0, 85])


def with_sources(predicted, real, cells):
    """Cells that started from control cells of the real data, in turn."""
    predicted.obs["source_cell"] = real.obs_names[np.resize(cells, predicted.n_obs)].to_numpy()
    return predicted


def test_the_real_change_is_taken_against_cells_that_no_prediction_started_from(predicted, real):
    predicted = with_sources(predicted, real, np.arange(30))
    scpi.tl.score_prediction(predicted, real)
    # Of 80 controls, 40 are set aside, all of them among the 50 that nothing started from
    assert predicted.uns["prediction"]["score_params"]["n_reference"] == 40
    assert predicted.uns["prediction"]["scores"]["n_predicted"].tolist() == [25] * 4
    start = real.X[np.arange(25)].astype(np.float64).mean(0)
    np.testing.assert_allclose(predicted.varm["change_predicted"][:, 0], mean(predicted, "A") - start, rtol=1e-9)
    chosen = np.setdiff1d(np.arange(80), np.arange(30))
    limits = [
        np.sort(real.X[chosen], axis=0)[part].astype(np.float64).mean(0) for part in (slice(40), slice(-40, None))
    ]
    reference = mean(real, "A") - predicted.varm["change_real"][:, 0]
    assert (limits[0] <= reference + 1e-6).all() and (reference <= limits[1] + 1e-6).all()


def test_predicted_cells_that_started_from_the_reference_are_left_out(predicted, real):
    predicted = with_sources(predicted, real, np.arange(80))
    scpi.tl.score_prediction(predicted, real, reference_cells=np.arange(10))
    expected = predicted.X[10:25].astype(np.float64).mean(0) - real.X[10:25].astype(np.float64).mean(0)
    np.testing.assert_allclose(predicted.varm["change_predicted"][:, 0], expected, rtol=1e-6)
    assert predicted.uns["prediction"]["scores"]["n_predicted"].iloc[0] == 15


def test_cells_that_are_elsewhere_are_apart(predicted, real):
    predicted.obs["source_cell"] = [f"elsewhere{i}" for i in range(predicted.n_obs)]
    predicted.uns["prediction"]["control_mean"] = np.full(12, 4.0)
    scpi.tl.score_prediction(predicted, real)
    assert predicted.uns["prediction"]["score_params"]["n_reference"] == 80
    np.testing.assert_allclose(predicted.varm["change_predicted"][:, 0], mean(predicted, "A") - 4.0, rtol=1e-9)


@pytest.mark.parametrize("label", ["A+control", "control+A", " A ", "A+A", "A+NT"])
def test_labels_are_those_of_the_models(predicted, real, label):
    predicted.obs["perturbation"] = predicted.obs["perturbation"].replace({"A": label})
    scpi.tl.score_prediction(predicted, real, control=["control", "NT"], metrics="rmse")
    scores = predicted.uns["prediction"]["scores"].set_index("perturbation")
    assert scores.loc["A", "n_real"] == 40 and np.isfinite(scores.loc["A", "rmse"])


def test_cells_that_are_not_assigned_are_left_out(predicted, real):
    real.obs["perturbation"] = real.obs["perturbation"].astype(object)
    real.obs.iloc[80:90, 0] = "unassigned"
    scpi.tl.score_prediction(predicted, real, metrics="rmse")
    assert predicted.uns["prediction"]["scores"].set_index("perturbation").loc["A", "n_real"] == 30


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_matrix])
def test_storage_and_order_of_the_genes_do_not_matter(predicted, real, convert):
    expected = scpi.tl.score_prediction(predicted, real, copy=True)
    shuffled = real[:, GENES[::-1]].copy()
    shuffled.X = convert(shuffled.X)
    predicted.X = convert(predicted.X)
    scpi.tl.score_prediction(predicted, shuffled)
    np.testing.assert_allclose(predicted.varm["change_real"], expected.varm["change_real"], rtol=1e-6)
    pd.testing.assert_frame_equal(
        predicted.uns["prediction"]["scores"], expected.uns["prediction"]["scores"], rtol=1e-5
    )


def test_a_layer_and_a_modality(predicted, real):
    expected = scpi.tl.score_prediction(predicted, real, copy=True).varm["change_real"]
    real.layers["log"] = real.X.copy()
    real.X = np.zeros_like(real.X)
    labels = real.obs.pop("perturbation")
    mdata = MuData(
        {"rna": real, "protein": ad.AnnData(np.ones((real.n_obs, 1)), obs=pd.DataFrame(index=real.obs_names))}
    )
    mdata.obs["perturbation"] = labels
    scpi.tl.score_prediction(predicted, mdata, layer="log", mod="rna")
    np.testing.assert_array_equal(predicted.varm["change_real"], expected)


def test_the_seed_decides_and_samples_are_limited(predicted, real):
    def score(rng):
        return scpi.tl.score_prediction(predicted, real, n_cells=15, rng=rng, copy=True).uns["prediction"]["scores"]

    pd.testing.assert_frame_equal(score(1), score(1))
    assert score(1).loc[0, "mmd"] != score(2).loc[0, "mmd"]


def test_metrics_can_be_chosen(predicted, real):
    scpi.tl.score_prediction(predicted, real, metrics=["rmse", "mmd"])
    columns = predicted.uns["prediction"]["scores"].columns.tolist()
    assert columns == [
        "perturbation",
        "status",
        "n_predicted",
        "n_real",
        "rmse",
        "rmse_no_change",
        "mmd",
        "mmd_no_change",
    ]


def test_a_copy_leaves_the_input_alone(predicted, real):
    result = scpi.tl.score_prediction(predicted, real, copy=True)
    assert list(predicted.varm) == []
    assert list(predicted.uns["prediction"]) == ["model", "params"]
    assert "scores" in result.uns["prediction"]


def test_it_survives_a_file(predicted, real, tmp_path):
    scpi.tl.score_prediction(predicted, real)
    expected = predicted.uns["prediction"]["scores"]
    predicted.write_h5ad(tmp_path / "a.h5ad")
    predicted.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        scores = again.uns["prediction"]["scores"]
        pd.testing.assert_frame_equal(scores, expected, check_dtype=False, check_index_type=False)
        np.testing.assert_array_equal(again.varm["change_real"], predicted.varm["change_real"])


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"perturbation_key": "x"}, KeyError, "no column 'x'"),
        ({"layer": "x"}, KeyError, "no 'x', only nothing"),
        ({"control": "NT"}, ValueError, "no control cells 'NT'"),
        ({"metrics": ["r3"]}, ValueError, "Unknown metrics 'r3'"),
        ({"metrics": "rms"}, ValueError, "Unknown metrics 'rms'"),
        ({"reference_cells": "half"}, ValueError, "must be 'apart', 'all', or positions"),
        ({"n_components": 0}, ValueError, "`n_components` must be at least 1"),
    ],
)
def test_bad_options_are_explained(predicted, real, kwargs, error, message):
    with pytest.raises(error, match=message):
        scpi.tl.score_prediction(predicted, real, **kwargs)
    assert list(predicted.varm) == []


@pytest.mark.parametrize("which", ["adata", "real"])
def test_counts_are_not_taken_for_logarithms(predicted, real, which):
    wrong = {"adata": predicted, "real": real}[which]
    wrong.X = np.rint(np.exp(wrong.X))
    message = rf"`{which}.X` holds whole numbers only, up to .* raw counts, but log-normalised expression is needed"
    with pytest.raises(ValueError, match=message):
        scpi.tl.score_prediction(predicted, real)
    assert list(predicted.varm) == [] and "scores" not in predicted.uns["prediction"]
    if which == "real":
        real.layers["counts"], real.X = real.X, np.log1p(real.X)
        with pytest.raises(ValueError, match=r"`real.layers\['counts'\]` holds whole numbers only"):
            scpi.tl.score_prediction(predicted, real, layer="counts")


def test_the_setup_of_the_model_is_found(predicted, real, tmp_path):
    expected = scpi.tl.score_prediction(predicted, real, copy=True).uns["prediction"]["scores"]
    real.obs["gene"] = real.obs.pop("perturbation").replace({"control": "NTC"})
    for found in ({}, {"perturbation_key": "gene", "control": "NTC"}):
        again = predicted.copy()
        if not found:
            again.uns["prediction"] |= {"perturbation_key": "gene", "control": ["NTC", "safe"]}
            again.write_h5ad(tmp_path / "a.h5ad")
            again = ad.read_h5ad(tmp_path / "a.h5ad")
        scpi.tl.score_prediction(again, real, **found)
        stored = again.uns["prediction"]
        pd.testing.assert_frame_equal(stored["scores"], expected)
        assert stored["score_params"]["perturbation_key"] == "gene"
    # Cells under other names than those of the setup
    real.obs["perturbation"] = real.obs.pop("gene")
    again.uns["prediction"]["perturbation_key"] = "gene"
    scpi.tl.score_prediction(again, real, control="NTC")
    pd.testing.assert_frame_equal(again.uns["prediction"]["scores"], expected)


def test_generated_cells_are_scored_after_normalisation(predicted, real):
    del predicted.uns["prediction"]
    predicted.obs["compound"] = predicted.obs.pop("perturbation")
    with pytest.raises(KeyError, match=r"has no column 'perturbation', only 'status', 'compound'.*`perturbation_key=`"):
        scpi.tl.score_prediction(predicted, real)
    real.obs["compound"] = real.obs.pop("perturbation")
    scpi.tl.score_prediction(predicted, real, perturbation_key="compound", reference_cells="all")
    made = (predicted.obs["compound"] == "A").to_numpy()
    control = (real.obs["compound"] == "control").to_numpy()
    np.testing.assert_allclose(
        predicted.varm["change_predicted"][:, 0],
        predicted.X[made].mean(0, dtype=float) - real.X[control].mean(0, dtype=float),
        rtol=1e-6,
    )


def test_bad_data_are_explained(predicted, real):
    with pytest.raises(ValueError, match="lacks 2 of the 12 predicted genes: 'g0', 'g5'"):
        scpi.tl.score_prediction(predicted, real[:, [g for g in GENES if g not in {"g0", "g5"}]])
    with pytest.raises(ValueError, match="None of the predicted perturbations"):
        scpi.tl.score_prediction(predicted[50:75], real)
    real.X[0, 0] = np.nan
    with pytest.raises(ValueError, match="`real` has NaN"):
        scpi.tl.score_prediction(predicted, real)
    assert list(predicted.varm) == []
