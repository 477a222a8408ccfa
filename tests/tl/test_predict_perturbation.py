from __future__ import annotations

import gc
import warnings
import weakref

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse, stats

import scpi

GENES = [f"g{i}" for i in range(30)]
SLOPE = {"A": np.linspace(-0.2, 0.3, 30), "B": np.linspace(0.1, 0.0, 30)}
BASE = {"T/NK": 2.0, "B cell": 3.0}
DOSES = {"A": [1.0, 10.0, 100.0], "B": [10.0], "A+B": [10.0]}
KEYS = {"context_key": "cell_type", "dose_key": "dose"}


def screen(*, noise=0.3, n_cells=12, contexts=tuple(BASE), seed=0):
    """Expression that changes in proportion to the logarithm of dose plus 1."""
    rng = np.random.default_rng(seed)
    rows, values = [], []
    for context in contexts:
        for label, doses in {"control": [0.0], **DOSES}.items():
            for dose in doses:
                slope = sum((SLOPE[member] for member in label.split("+") if member in SLOPE), np.zeros(30))
                rows += [(label, context, dose)] * n_cells
                mean = BASE.get(context, 2.5) + slope * np.log1p(dose)
                values.append(mean + rng.normal(0, noise, (n_cells, 30)))
    obs = pd.DataFrame(rows, columns=["perturbation", "cell_type", "dose"], index=[f"c{i}" for i in range(len(rows))])
    return ad.AnnData(np.vstack(values).astype(np.float32), obs=obs, var=pd.DataFrame(index=GENES))


def trained(name, adata, **setup):
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata, **setup)
    model = cls(adata)
    model.train(train_size=1.0)
    return model


@pytest.fixture
def adata():
    return screen()


@pytest.fixture
def model(adata):
    return trained("MeanDelta", adata, **KEYS)


def cells(adata, label, context, dose):
    of = (adata.obs["perturbation"] == label) & (adata.obs["cell_type"] == context) & (adata.obs["dose"] == dose)
    return np.asarray(adata.X[of.to_numpy()], dtype=np.float64)


def test_every_perturbation_in_every_context_at_every_dose(adata, model):
    assert scpi.tl.predict_perturbation(adata, model, ["B+A", "A"]) is None
    stored = adata.uns["predicted_change"]
    assert stored["units"].tolist() == [
        "B cell: A+B @ 10",
        "T/NK: A+B @ 10",
        *(f"{context}: A @ {dose}" for context in ("B cell", "T/NK") for dose in (1, 10, 100)),
    ]
    table = stored["conditions"]
    assert table.columns.tolist() == ["perturbation", "context", "dose", "status", "extrapolated", "n_cells"]
    assert table["status"].unique().tolist() == ["trained"]
    assert table["n_cells"].tolist() == [12] * 8
    assert not table["extrapolated"].any()
    assert adata.varm["predicted_change"].shape == (30, 8)
    assert adata.varm["predicted_change"].dtype == np.float32
    for column, row in table.iterrows():
        # The mean over the training contexts of the change at the same dose
        expected = np.mean(
            [
                cells(adata, row["perturbation"], name, row["dose"]).mean(0) - cells(adata, "control", name, 0).mean(0)
                for name in BASE
            ],
            axis=0,
        )
        np.testing.assert_allclose(adata.varm["predicted_change"][:, column], expected, atol=2e-5)
    assert stored["params"] == {
        "model": "MeanDelta",
        "control": "control",
        "n_between": 0,
        "perturbation_key": "perturbation",
        "context_key": "cell_type",
        "dose_key": "dose",
    }


def test_the_measured_changes_stand_beside(adata, model):
    scpi.tl.predict_perturbation(adata, model, "A", dose=5.0, context="T/NK")
    measured = adata.uns["predicted_change"]["measured"]
    assert measured["dose"].tolist() == [1, 10, 100]
    assert measured["context"].tolist() == ["T/NK"] * 3
    assert measured["n_cells"].tolist() == [12] * 3
    change = adata.varm["predicted_change_measured"]
    for column, dose in enumerate(measured["dose"]):
        t = stats.ttest_ind(cells(adata, "A", "T/NK", dose), cells(adata, "control", "T/NK", 0), equal_var=False)
        np.testing.assert_allclose(
            change[:, column],
            cells(adata, "A", "T/NK", dose).mean(0) - cells(adata, "control", "T/NK", 0).mean(0),
            rtol=1e-4,
        )
        np.testing.assert_allclose(
            change[:, column] / adata.varm["predicted_change_measured_se"][:, column], t.statistic, rtol=1e-4
        )


def test_doses_between_and_beyond_are_on_the_line():
    adata = screen(noise=0.0)
    model = trained("LinearDose", adata, **KEYS)
    with pytest.warns(
        UserWarning, match="4 of 9 doses, such as 300, lie outside of the measured range, 1 to 100"
    ) as said:
        scpi.tl.predict_perturbation(adata, model, "A", dose=[300, 0, 100], n_between=3, context="T/NK")
    assert len(said) == 1
    table = adata.uns["predicted_change"]["conditions"]
    steps = np.linspace(0, 1, 5)
    logs = np.concatenate([steps * np.log1p(100), np.log1p(100) + steps[1:] * (np.log1p(300) - np.log1p(100))])
    np.testing.assert_allclose(np.log1p(table["dose"]), logs, atol=1e-5)
    assert table.loc[[0, 4, 8], "dose"].tolist() == [0, 100, 300]
    # 0 is the dose of the controls
    assert table["extrapolated"].tolist() == [False] * 5 + [True] * 4
    np.testing.assert_allclose(
        adata.varm["predicted_change"], np.outer(SLOPE["A"], np.log1p(table["dose"])), rtol=1e-5, atol=1e-5
    )


def test_without_contexts_and_doses():
    adata = screen()
    adata = adata[adata.obs["dose"].isin([0, 10])].copy()
    model = trained("Additive", adata)
    scpi.tl.predict_perturbation(adata, model, ["A", "A+B"], key_added="added")
    stored = adata.uns["added"]
    assert stored["units"].tolist() == ["A", "A+B"]
    assert stored["conditions"].columns.tolist() == ["perturbation", "status", "n_cells"]
    assert stored["measured"].columns.tolist() == ["perturbation", "n_cells"]
    mean = {
        label: adata.X[(adata.obs["perturbation"] == label).to_numpy()].mean(0)
        for label in ("A", "B", "A+B", "control")
    }
    np.testing.assert_allclose(adata.varm["added"][:, 0], mean["A"] - mean["control"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        adata.varm["added"][:, 1], mean["A"] + mean["B"] - 2 * mean["control"], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(adata.varm["added_measured"][:, 1], mean["A+B"] - mean["control"], rtol=1e-5, atol=1e-5)


def test_all_conditions_of_a_context_start_from_the_same_cells(adata, model, monkeypatch):
    predict, started = type(model).predict, []

    def record(self, *args, **kwargs):
        predicted = predict(self, *args, **kwargs)
        assert predicted.n_obs == 5
        started.append((kwargs["context"], tuple(predicted.obs["source_cell"])))
        return predicted

    monkeypatch.setattr(type(model), "predict", record)
    drawn = {}
    for rng in (0, 0, 1, np.random.default_rng(0)):
        started.clear()
        scpi.tl.predict_perturbation(adata, model, ["A", "B"], n_cells=5, rng=rng)
        assert len(started) == 8
        assert len(set(started)) == 2
        drawn.setdefault(str(rng), []).append(set(started))
    assert drawn["0"][0] == drawn["0"][1] == drawn["Generator(PCG64)"][0]
    assert drawn["1"][0] != drawn["0"][0]
    assert adata.uns["predicted_change"]["conditions"]["n_cells"].tolist() == [5] * 8


@pytest.fixture
def frozen():
    """What is there already is no garbage: to look through all the libraries takes a second each time."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_cells_of_one_condition_are_held_at_a_time(adata, model, monkeypatch, frozen):
    predict, held = type(model).predict, []

    def record(self, *args, **kwargs):
        gc.collect()
        assert not any(ref() is not None for ref in held)
        predicted = predict(self, *args, **kwargs)
        held.append(weakref.ref(predicted))
        return predicted

    monkeypatch.setattr(type(model), "predict", record)
    scpi.tl.predict_perturbation(adata, model, "A")
    assert len(held) == 6


def test_control_cells_can_be_chosen(adata, model):
    chosen = np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["cell_type"] == "T/NK"))[:4]
    scpi.tl.predict_perturbation(adata, model, "B", indices=chosen)
    table = adata.uns["predicted_change"]["conditions"]
    assert table["context"].tolist() == ["T/NK"]
    assert table["n_cells"].tolist() == [4]


def test_new_cells_of_a_new_context_without_perturbed_ones(adata, model):
    other = screen(contexts=["monocyte"], seed=1)
    other = other[other.obs["perturbation"] == "control"].copy()
    # Left by an earlier call
    other.varm["predicted_change_measured"] = other.varm["predicted_change_measured_se"] = np.ones((30, 1))
    scpi.tl.predict_perturbation(other, model, "A")
    assert other.uns["predicted_change"]["units"].tolist() == [f"monocyte: A @ {dose}" for dose in (1, 10, 100)]
    assert "measured" not in other.uns["predicted_change"]
    assert list(other.varm) == ["predicted_change"]
    scpi.tl.predict_perturbation(adata, model, "A", context="T/NK")
    np.testing.assert_allclose(other.varm["predicted_change"], adata.varm["predicted_change"], atol=1e-5)


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_matrix])
def test_storage_does_not_matter_and_a_view_is_taken(adata, convert):
    again = adata.copy()
    again.X = convert(again.X)
    for data in (adata, again):
        scpi.tl.predict_perturbation(data, trained("MeanDelta", data, **KEYS), "A")
    for key in adata.varm:
        np.testing.assert_allclose(again.varm[key], adata.varm[key], atol=1e-5)
    model = trained("MeanDelta", adata, **KEYS)
    half = adata[adata.obs["cell_type"] == "T/NK"]
    result = scpi.tl.predict_perturbation(half, model, "A", copy=True)
    assert half.is_view
    np.testing.assert_allclose(result.varm["predicted_change"], adata.varm["predicted_change"][:, 3:], atol=1e-5)


def test_a_copy_leaves_the_input_alone(adata, model):
    result = scpi.tl.predict_perturbation(adata, model, "A", copy=True)
    assert list(adata.varm) == []
    assert "predicted_change" not in adata.uns
    assert {"predicted_change", "predicted_change_measured", "predicted_change_measured_se"} == set(result.varm)


def test_it_survives_a_file(adata, model, tmp_path):
    scpi.tl.predict_perturbation(adata, model, ["A", "A+B"])
    expected = scpi.get.predicted_change(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_h5ad(tmp_path / "a.h5ad")
        adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        for key in adata.varm:
            np.testing.assert_array_equal(again.varm[key], adata.varm[key])
        pd.testing.assert_frame_equal(scpi.get.predicted_change(again), expected)
        assert list(again.uns["predicted_change"]["units"]) == list(adata.uns["predicted_change"]["units"])


def test_gene_sets_that_a_perturbation_moves(adata, model):
    scpi.tl.gene_sets(adata, {"down": GENES[:10], "up": GENES[20:], "odd": GENES[1::2]})
    scpi.tl.predict_perturbation(adata, model, "A", dose=100.0)
    scpi.tl.gene_set_impact(adata, key="predicted_change", n_bins=1)
    found = scpi.get.gene_set_impact(adata).set_index(["unit", "set"])["zscore"]
    assert found["T/NK: A @ 100", "down"] < -3
    assert found["T/NK: A @ 100", "up"] > 3
    assert abs(found["T/NK: A @ 100", "odd"]) < 2


def test_a_modality(adata):
    expected = scpi.tl.predict_perturbation(adata, trained("MeanDelta", adata, **KEYS), "A", copy=True)
    obs = adata.obs[["perturbation", "cell_type", "dose"]]
    protein = ad.AnnData(np.ones((adata.n_obs, 30), dtype=np.float32), obs=pd.DataFrame(index=adata.obs_names))
    protein.var_names = [f"p{i}" for i in range(30)]
    mdata = MuData({"rna": adata, "protein": protein})
    mdata.obs = mdata.obs.assign(**{name: obs[name] for name in obs})
    scpi.tl.predict_perturbation(mdata, trained("MeanDelta", adata, **KEYS), "A", mod="rna", key_added="of_adata")
    cls = scpi.model.MeanDelta
    cls.setup_mudata(mdata, modalities={"layer": "rna"}, **KEYS)
    model = cls(mdata)
    model.train(train_size=1.0)
    scpi.tl.predict_perturbation(mdata, model, "A", mod="rna", key_added="of_mudata")
    for key in ("of_adata", "of_mudata"):
        np.testing.assert_allclose(mdata["rna"].varm[key], expected.varm["predicted_change"], atol=1e-5)
    with pytest.raises(ValueError, match="another modality than `mod='protein'`"):
        scpi.tl.predict_perturbation(mdata, model, "A", mod="protein")


@pytest.mark.parametrize(
    ("perturbation", "kwargs", "message"),
    [
        ("C", {}, "'C'"),
        ("control", {}, "contains the control, 'control'"),
        ([], {}, "at least one perturbation, each once"),
        (["A+B", "B+A"], {}, "at least one perturbation, each once"),
        ("A", {"context": "C"}, "Unknown context 'C'"),
        ("A", {"context": ["T/NK", "T/NK"]}, "at least one context, each once"),
        ("A", {"dose": -1.0}, "finite numbers of at least 0, got -1"),
        ("A", {"dose": [1.0, np.nan]}, "finite numbers of at least 0"),
        ("A", {"dose": []}, "finite numbers of at least 0"),
        ("A", {"n_between": -1}, "`n_between` must be at least 0, got -1"),
        ("A", {"n_cells": 0}, "`n_cells` must be at least 1"),
        ("A", {"indices": [30]}, "There is no control cell"),
        ("A", {"indices": [0], "context": "B cell"}, "no control cell .* of context 'B cell'"),
    ],
)
def test_bad_options_are_explained(adata, model, perturbation, kwargs, message):
    with pytest.raises(ValueError, match=message):
        scpi.tl.predict_perturbation(adata, model, perturbation, **kwargs)
    assert list(adata.varm) == []
    assert "predicted_change" not in adata.uns


def test_bad_models_are_explained(adata):
    with pytest.raises(TypeError, match="dict predicts no perturbations: give a model"):
        scpi.tl.predict_perturbation(adata, {}, "A")
    scpi.model.MeanDelta.setup_anndata(adata)
    with pytest.raises(RuntimeError, match="train the model first"):
        scpi.tl.predict_perturbation(adata, scpi.model.MeanDelta(adata), "A")
    model = trained("MeanDelta", adata)
    with pytest.raises(ValueError, match="called without `dose_key`"):
        scpi.tl.predict_perturbation(adata, model, "A", dose=1.0)
    with pytest.raises(ValueError, match="called without `dose_key`"):
        scpi.tl.predict_perturbation(adata, model, "A", n_between=3)
    with pytest.raises(ValueError, match="called without `context_key`"):
        scpi.tl.predict_perturbation(adata, model, "A", context="T/NK")
    with pytest.raises(ValueError, match="lacks 1 of the 30 genes"):
        scpi.tl.predict_perturbation(adata[:, 1:].copy(), model, "A")


def test_a_combination_that_was_never_measured_needs_a_dose(adata):
    adata = adata[adata.obs["perturbation"] != "A+B"].copy()
    model = trained("LinearDose", adata, **KEYS)
    with pytest.raises(ValueError, match=r"'A\+B' was measured at no dose: give the doses"):
        scpi.tl.predict_perturbation(adata, model, "A+B")
    scpi.tl.predict_perturbation(adata, model, "A+B", dose=10)
    assert adata.uns["predicted_change"]["conditions"]["status"].unique().tolist() == ["unseen combination"]
    assert "predicted_change_measured" not in adata.varm


def test_intervals_are_those_of_predict(adata, model):
    model.calibrate("contexts")
    scpi.tl.predict_perturbation(adata, model, ["A", "B"], dose=10.0, interval=0.5)
    table = adata.uns["predicted_change"]["conditions"]
    assert table.columns.tolist()[:5] == ["perturbation", "context", "dose", "status", "confidence"]
    for column, row in table.iterrows():
        asked = {"perturbation": row["perturbation"], "context": row["context"], "dose": row["dose"]}
        predicted = model.predict(**asked, output="mean", interval=0.5)
        for entry, layer in (("", "change"), ("_lower", "lower"), ("_upper", "upper")):
            stored = adata.varm[f"predicted_change{entry}"][:, column]
            np.testing.assert_allclose(stored, predicted.layers[layer][0], atol=1e-5)
        assert row["confidence"] == pytest.approx(predicted.obs["confidence"].iloc[0], rel=1e-4)
        assert row["status"] == predicted.obs["status"].iloc[0]
    found = scpi.get.predicted_change(adata, genes="g1", perturbation="B")
    np.testing.assert_allclose(found["lower"], adata.varm["predicted_change_lower"][1, table["perturbation"] == "B"])
    assert (found["lower"] <= found["predicted"]).all() and (found["predicted"] <= found["upper"]).all()
    # Those of an earlier call are not left beside other changes
    scpi.tl.predict_perturbation(adata, model, "A")
    assert not {"predicted_change_lower", "predicted_change_upper"} & set(adata.varm)
    assert "lower" not in scpi.get.predicted_change(adata)


def test_an_interval_needs_a_calibration_and_writes_nothing_without(adata, model):
    with pytest.raises(ValueError, match=r"call `model.calibrate\('contexts'\)` first"):
        scpi.tl.predict_perturbation(adata, model, "A", dose=10.0, interval=0.5)
    assert "predicted_change" not in adata.varm
