"""Attributions, latent units and scores of data that are not in memory are those in memory, and no whole matrix is made."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scpi
from scpi._screen import _blocks, _chosen_rows, _stored_rows
from scpi._screen._expression import log_normalised
from scpi._screen._matrix import as_dense, is_stored
from scpi.attribution import _stream
from scpi.model.base.loading import _cell_batches

RNG = np.random.default_rng(0)
N_CELLS, N_GENES = 240, 24
LABELS = np.array(["control", "A", "B", "C"])[np.arange(N_CELLS) % 4]
RATE = np.tile(RNG.uniform(1.0, 4.0, N_GENES), (N_CELLS, 1))
for number, label in enumerate("ABC"):
    RATE[label == LABELS, 5 * number : 5 * number + 5] *= 3
COUNTS = sparse.csr_matrix(RNG.poisson(RATE).astype(np.float32))
QUIET = {"accelerator": "cpu", "enable_progress_bar": False}


def cells(scale):
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(LABELS),
            "cell_type": pd.Categorical(np.array(["T", "B"])[np.arange(N_CELLS) // 4 % 2]),
        },
        index=[f"cell{i}" for i in range(N_CELLS)],
    )
    x = log_normalised(COUNTS).astype(np.float32) if scale == "logs" else COUNTS.copy()
    return ad.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)]))


def stored(kind, adata, folder):
    """The same data, whose expression is not in memory."""
    if kind == "backed":
        adata.write_h5ad(folder / "a.h5ad")
        return ad.read_h5ad(folder / "a.h5ad", backed="r")
    dask = pytest.importorskip("dask.array")
    if kind == "dask":
        adata.X = dask.from_array(as_dense(adata.X), chunks=(40, N_GENES)).map_blocks(sparse.csr_matrix)
        return adata
    pytest.importorskip("xarray")
    adata.write_zarr(folder / "a.zarr")
    return ad.experimental.read_lazy(folder / "a.zarr")


@pytest.fixture(params=["backed", "lazy", "dask"])
def kind(request, monkeypatch):
    """Small blocks, and a watch that no more than half of the cells are in memory at once."""
    torch.set_num_threads(1)
    monkeypatch.setattr(_blocks, "_BLOCK", 400)
    monkeypatch.setattr(_stored_rows, "_RUN", 16)
    monkeypatch.setattr(_stored_rows, "_GAP", 4)
    monkeypatch.setattr(_stored_rows, "_SPAN", 16)
    monkeypatch.setattr(_cell_batches, "_BATCH", 48)
    monkeypatch.setattr(_stream, "_MOST_CELLS", 48)
    monkeypatch.setattr(_chosen_rows, "_MOST", 20)
    monkeypatch.setattr(_chosen_rows, "_BLOCK", 16)
    read = _blocks.as_matrix

    def watched(values, **options):
        # A lazy file of few cells is a single chunk
        assert request.param == "lazy" or not is_stored(values) or values.shape[0] <= N_CELLS / 2
        found = read(values, **options)
        assert request.param == "lazy" or found.shape[0] <= N_CELLS / 2 or not is_stored(values)
        return found

    for module in ("_view", "_screen._checks", "_screen._blocks", "_screen._stored_rows"):
        monkeypatch.setattr(f"scpi.{module}.as_matrix", watched)
    return request.param


def model_of(name, **options):
    adata = cells("counts" if name == "NBVAE" else "logs")
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata)
    model = cls(adata, seed=0, **options)
    model.train(max_epochs=1, batch_size=32, **QUIET)
    return model


@pytest.fixture(scope="module")
def nbvae():
    return model_of("NBVAE", n_latent=3)


@pytest.fixture(scope="module")
def scgen():
    return model_of("SCGEN", n_hidden=16, n_latent=4)


def split_of(adata):
    return scpi.benchmark.splits.leave_perturbations_out(adata, n_splits=3, rng=0)[:1]


def evaluated(adata, tmp_path):
    models = {"mean": scpi.model.MeanDelta, "none": scpi.model.NoChange}
    options = {
        "seeds": 0,
        "metrics": ["pearson", "rmse", "energy_distance", "pearson_perturbed"],
        "n_cells": 12,
        "n_components": 4,
    }
    return scpi.benchmark.evaluate(adata, models, split_of(adata), ceiling=True, progress=False, **options)


def table_of(frame):
    return frame.select_dtypes("number").drop(columns=[c for c in frame if "second" in c or "memory" in c]).to_numpy()


METHODS = ["gradient", "integrated_gradients", "expected_gradients", "decoder_effect"]


@pytest.mark.parametrize("method", METHODS)
def test_saliency_is_that_in_memory(method, kind, nbvae, tmp_path):
    found, expected = stored(kind, cells("counts"), tmp_path), cells("counts")
    for adata in (found, expected):
        scpi.tl.saliency(adata, nbvae, method=method, groupby="perturbation", rng=0)
    for key in ("saliency", "saliency_groups"):
        np.testing.assert_allclose(np.asarray(found.varm[key]), np.asarray(expected.varm[key]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("source", ["decoder", "model", "classifier"])
def test_gradients_rank_genes_as_in_memory(source, kind, nbvae, tmp_path):
    found, expected = stored(kind, cells("counts"), tmp_path), cells("counts")
    options = {"decoder": {}, "model": {"model": nbvae}, "classifier": {}}[source]
    method = "sparse_decoder" if source == "decoder" else "gradient"
    for adata in (found, expected):
        scpi.tl.rank_genes_gradients(adata, "perturbation", method=method, rng=0, **options)
    one, other = (adata.uns["rank_genes_gradients"] for adata in (found, expected))
    for group in other["names"].dtype.names:
        scores = [pd.Series(x["scores"][group], x["names"][group]).sort_index() for x in (one, other)]
        if source == "classifier":
            # Trained on cells in another order
            assert np.corrcoef(*scores)[0, 1] > 0.9
        else:
            np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-5)
        tested = [pd.Series(x["pvals_adj"][group], x["names"][group]).sort_index() for x in (one, other)]
        np.testing.assert_allclose(*tested, rtol=1e-6)


def test_latent_units_are_those_in_memory(kind, nbvae, tmp_path):
    found = nbvae.get_latent_representation(stored(kind, cells("counts"), tmp_path), batch_size=50)
    np.testing.assert_allclose(found, nbvae.get_latent_representation(cells("counts")), rtol=1e-5, atol=1e-6)


def test_a_model_is_evaluated_as_in_memory(kind, scgen, tmp_path):
    found, expected = (
        scgen.evaluate(
            x, n_cells=12, n_components=4, metrics=["pearson", "energy_distance", "rmse", "pearson_perturbed"]
        )
        for x in (stored(kind, cells("logs"), tmp_path), cells("logs"))
    )
    np.testing.assert_allclose(table_of(found), table_of(expected), rtol=1e-4, atol=1e-6)


def test_benchmarks_are_those_in_memory(kind, tmp_path):
    found, expected = (evaluated(x, tmp_path) for x in (stored(kind, cells("logs"), tmp_path), cells("logs")))
    np.testing.assert_allclose(table_of(found), table_of(expected), rtol=1e-4, atol=1e-6)


def test_results_are_kept_under_the_same_name(kind, tmp_path):
    models, out = {"mean": scpi.model.MeanDelta}, tmp_path / "out"
    on_disk, in_memory = stored(kind, cells("logs"), tmp_path), cells("logs")
    for adata in (on_disk, in_memory):
        scpi.benchmark.evaluate(
            adata,
            models,
            split_of(adata),
            seeds=0,
            metrics=["rmse"],
            out=out,
            ceiling=False,
            n_components=None,
            progress=False,
        )
    assert len(list(out.rglob("*.json"))) == 1


@pytest.mark.parametrize("side", ["real", "predicted"])
def test_predictions_are_scored_as_in_memory(side, kind, scgen, tmp_path):
    real = cells("logs")[:, ::-1].copy()
    predicted = scgen.predict(perturbation=["A", "B", "C"], n_cells=40, rng=0)
    tables = []
    for on_disk in (True, False):
        given = {"real": real.copy(), "predicted": predicted.copy()}
        if on_disk:
            given[side] = stored(kind, given[side], tmp_path)
        scpi.tl.score_prediction(given["predicted"], given["real"], n_cells=12, n_components=4, rng=0)
        tables.append(given["predicted"])
    for key in ("change_real", "change_predicted"):
        np.testing.assert_allclose(tables[0].varm[key], tables[1].varm[key], rtol=1e-5, atol=1e-6)
    scores = [table_of(adata.uns["prediction"]["scores"]) for adata in tables]
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-6)
