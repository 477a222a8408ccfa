from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.benchmark import op3_conditions, read_op3_prediction, score_op3, write_op3_prediction

LAYER = "clipped_sign_log10_pval"


def de_file(pairs, values):
    obs = pd.DataFrame(pairs, columns=["cell_type", "sm_name"], index=[", ".join(pair) for pair in pairs])
    adata = ad.AnnData(obs=obs, var=pd.DataFrame(index=["a", "b", "c"]))
    adata.layers[LAYER] = np.array(values, dtype=float)
    return adata


@pytest.fixture
def train():
    return de_file([("T", "x"), ("T", "y"), ("B", "x")], [[1.0, 0.0, 2.0], [3.0, -2.0, 0.0], [5.0, 4.0, -1.0]])


@pytest.fixture
def test():
    return de_file([("B", "y"), ("T", "z")], [[2.0, -1.0, 0.5], [0.0, 1.0, -3.0]])


@pytest.fixture
def id_map(test):
    return test.obs[::-1].reset_index(drop=True).assign(id=[5, 7])


def test_the_controls_are_those_of_the_benchmark(train, test):
    scores = score_op3(train, test)
    assert list(scores.index) == [
        "zeros",
        "mean_outcome",
        "mean_across_celltypes",
        "mean_across_compounds",
        "ground_truth",
    ]
    y, x = test.layers[LAYER], train.layers[LAYER]
    predictions = {
        "zeros": np.zeros((2, 3)),
        "mean_outcome": np.tile(x.mean(0), (2, 1)),
        # B of B, T of T; y of y, and all for z, which was not measured
        "mean_across_celltypes": np.stack([x[2], x[:2].mean(0)]),
        "mean_across_compounds": np.stack([x[1], x.mean(0)]),
        "ground_truth": y,
    }
    for name, predicted in predictions.items():
        rmse = np.sqrt(((predicted - y) ** 2).mean(1)).mean()
        assert scores.loc[name, "mean_rowwise_rmse"] == pytest.approx(rmse, abs=1e-6)
    rmse = scores["mean_rowwise_rmse"]
    scaled = (rmse.max() - rmse) / rmse.max()
    np.testing.assert_allclose(scores["mean_rowwise_rmse_scaled"], scaled, atol=1e-9)
    assert scores.loc["ground_truth", "mean_score"] == pytest.approx(1.0)
    columns = [f"mean_rowwise_{name}_scaled" for name in ("rmse", "mae", "pearson", "spearman", "cosine")]
    np.testing.assert_allclose(scores["mean_score"], scores[columns].mean(axis=1))


@pytest.mark.parametrize("suffix", [".h5ad", ".csv"])
def test_files_of_predictions_go_out_and_come_back(train, test, id_map, tmp_path, suffix):
    predicted = ad.AnnData(test.layers[LAYER] + 0.25, obs=test.obs, var=test.var)
    path = tmp_path / f"prediction{suffix}"
    write_op3_prediction(predicted, path, id_map, method_id="mine")
    stored = read_op3_prediction(path, id_map)
    assert list(stored.obs_names) == ["T, z", "B, y"]
    np.testing.assert_allclose(stored["B, y"].X, predicted["B, y"].X)
    if suffix == ".h5ad":
        file = ad.read_h5ad(path)
        assert list(file.obs_names) == ["5", "7"]
        assert file.obs.index.name == "id"
        assert (file.uns["method_id"], file.uns["dataset_id"]) == ("mine", "neurips-2023-data")
        assert list(file.layers) == ["prediction"]
    for adata, name in ((train, "de_train"), (test, "de_test")):
        adata.write_h5ad(tmp_path / f"{name}.h5ad")
    id_map.to_csv(tmp_path / "id_map.csv", index=False)
    scores = score_op3(
        tmp_path / "de_train.h5ad",
        tmp_path / "de_test.h5ad",
        predictions={"file": path, "mine": predicted},
        id_map=tmp_path / "id_map.csv",
    )
    assert scores.loc["file", "mean_rowwise_rmse"] == pytest.approx(0.25, abs=1e-6)
    np.testing.assert_allclose(scores.loc["file"], scores.loc["mine"], atol=1e-6)


def test_a_model_of_conditions_predicts_the_ids(train, test, id_map, tmp_path):
    scpi.model.ConditionModel.setup_anndata(train, perturbation_key="sm_name", context_key="cell_type", layer=LAYER)
    model = scpi.model.ConditionModel(train, method="perturbation_mean")
    model.train()
    write_op3_prediction(model.predict(id_map), tmp_path / "p.h5ad", id_map)
    scores = score_op3(train, test, predictions={"mine": tmp_path / "p.h5ad"}, id_map=id_map)
    np.testing.assert_allclose(scores.loc["mine"], scores.loc["mean_across_compounds"], atol=1e-6)


def test_tests_become_the_file_of_the_benchmark(tmp_path):
    cells = scpi.datasets.op3_like(n_compounds=3, n_genes=60, n_cells=15, n_vehicle=2, rng=0)
    samples = scpi.de.pseudobulk(
        cells, sample_key=["plate_name", "well"], groupby=["cell_type", "sm_name"], min_cells=2
    )
    options = {"reference": "Dimethyl Sulfoxide", "split_by": "cell_type", "covariates": ["donor_id"]}
    scpi.de.limma(samples, "sm_name", filter_genes=False, **options)
    table = op3_conditions(samples)
    assert table.n_obs == 12
    assert "NK cells, compound2" in table.obs_names
    assert set(table.obs) == {"cell_type", "sm_name"}
    assert {"logFC", "P.Value", "adj.P.Value", "is_de", "is_de_adj", "sign_log10_pval", LAYER} <= set(table.layers)
    signed = np.sign(table.layers["logFC"]) * -np.log10(table.layers["P.Value"])
    np.testing.assert_allclose(table.layers["sign_log10_pval"], signed, rtol=1e-6)
    np.testing.assert_allclose(table.X, np.clip(signed, -4, 4), rtol=1e-6)
    table.write_h5ad(tmp_path / "de.h5ad")
    assert score_op3(tmp_path / "de.h5ad", table).loc["ground_truth", "mean_rowwise_rmse"] == 0
    scpi.de.limma(samples, "sm_name", reference="Dimethyl Sulfoxide", key_added="all")
    with pytest.raises(ValueError, match="call `scpi.de.limma\\(adata, compound, split_by=cell_type"):
        op3_conditions(samples, key="all")


def test_bad_input_is_named(train, test, id_map, tmp_path):
    with pytest.raises(KeyError, match="lacks 'sm_name'"):
        score_op3(train, ad.AnnData(np.zeros((1, 3)), obs=pd.DataFrame({"cell_type": ["T"]}, index=["r"])))
    with pytest.raises(KeyError, match="'logFC'"):
        score_op3(train, test, layer="logFC")
    with pytest.raises(ValueError, match="give `id_map`"):
        score_op3(train, test, predictions={"p": tmp_path / "p.h5ad"})
    with pytest.raises(ValueError, match="1 conditions of the id map were not predicted: 'B, y'"):
        write_op3_prediction(
            ad.AnnData(np.zeros((1, 3)), obs=test.obs.iloc[1:], var=test.var), tmp_path / "p.csv", id_map
        )
    test.write_h5ad(tmp_path / "p.h5ad")
    with pytest.raises(ValueError, match="has no `layers\\['prediction'\\]`"):
        read_op3_prediction(tmp_path / "p.h5ad", id_map)
    pd.DataFrame({"id": [99], "a": [0.0]}).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(ValueError, match="1 ids that are not in the id map: '99'"):
        read_op3_prediction(tmp_path / "p.csv", id_map)
