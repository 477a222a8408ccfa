"""Every model learns from cells that are not in memory what it learns from the same cells in memory, or says why not."""

from __future__ import annotations

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scvi.model.base import BaseModelClass

import scpi
from scpi._screen import _blocks, _stored_rows
from scpi._screen._expression import log_normalised
from scpi._screen._matrix import as_dense, is_stored
from scpi._screen._stored_rows import StoredRows
from scpi.model.base import ScreenModel
from scpi.model.base.loading import _dataset, _sampling
from scpi.model.scpregan import _sampling as _domains

SCREEN = {"context_key": "cell_type", "batch_key": "batch"}
SMALL = {"n_hidden": (16,), "n_latent": 4}
CLUSTERS = {"n_clusters": 2, "n_latent": 4}
NO_BATCH = {"context_key": "cell_type"}

# Case: class, what it reads, arguments of setup, constructor and training
CASES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "SENAVAE": ("SENAVAE", "logs", SCREEN, {"n_factors": 3}, {"n_cells": 4, "n_conditions": 4}),
    "SENAVAE-nb": (
        "SENAVAE",
        "counts",
        SCREEN | {"size_factor_key": "depth"},
        {"n_factors": 3, "likelihood": "nb"},
        {},
    ),
    "MultiTaskAE": ("MultiTaskAE", "logs", SCREEN, SMALL, {"batch_size": 16}),
    "MultiTaskAE-nb": ("MultiTaskAE", "counts", SCREEN, SMALL | {"likelihood": "nb"}, {"batch_size": 16}),
    "SCGEN": ("SCGEN", "logs", SCREEN, {"n_hidden": 16, "n_latent": 4}, {"batch_size": 16}),
    "SCVIDR": ("SCVIDR", "logs", SCREEN, {"n_hidden": 16, "n_latent": 4}, {"batch_size": 16}),
    "SCPREGAN": ("SCPREGAN", "logs", SCREEN, {"n_hidden": (16, 8)}, {"batch_size": 4}),
    "GeneProgramAE": (
        "GeneProgramAE",
        "counts",
        {
            "batch_key": "batch",
            "categorical_covariate_keys": ["cell_type"],
            "continuous_covariate_keys": ["depth"],
        },
        {"n_units": 4},
        {"batch_size": 16},
    ),
    "NBVAE": ("NBVAE", "counts", {"batch_key": "batch"}, {"n_latent": 3}, {"batch_size": 16}),
    "DGD": ("DGD", "counts", {"batch_key": "batch"}, {"n_latent": 3, "n_components": 2}, {"batch_size": 16}),
    "ContrastiveSC": ("ContrastiveSC", "counts", {}, CLUSTERS, {"batch_size": 16, "max_cluster_epochs": 1}),
    "SCDeepCluster": ("SCDeepCluster", "counts", {}, CLUSTERS, {"batch_size": 16, "max_cluster_epochs": 1}),
    "SCZIDesk": ("SCZIDesk", "counts", {}, CLUSTERS, {"batch_size": 16, "max_cluster_epochs": 1}),
    "CompositionModel": ("CompositionModel", "counts", {"categorical_covariate_keys": ["perturbation"]}, {}, {}),
    "ConditionModel": ("ConditionModel", "logs", NO_BATCH, {}, {}),
}
CASES |= {
    name: (name, "logs", NO_BATCH, {}, {})
    for name in scpi.model.__all__
    if isinstance(getattr(scpi.model, name), type)
    and issubclass(getattr(scpi.model, name), ScreenModel)
    and name not in {cls for cls, *_ in CASES.values()} | {"SCButterfly"}
}
# Those that compare cells with each other
REFUSED = {
    "SCButterfly": ("SCButterfly", {}),
    "MultiTaskAE-ot": ("MultiTaskAE", SMALL | {"target": "ot"}),
    "MultiTaskAE-nb-ot": ("MultiTaskAE", SMALL | {"target": "self+ot", "likelihood": "nb"}),
}
KINDS = ["backed", "lazy", "dask"]


def test_every_public_model_is_in_a_table():
    public = {name for name in scpi.model.__all__ if isinstance(getattr(scpi.model, name), type)}
    models = {name for name in public if issubclass(getattr(scpi.model, name), BaseModelClass)}
    assert models == {cls for cls, *_ in CASES.values()} | {cls for cls, _ in REFUSED.values()}


def data(make_screen, reads):
    adata = make_screen()
    if reads == "logs":
        adata.layers["counts"] = adata.X.copy()
        adata.X = log_normalised(adata.X).astype(np.float32)
    return adata


def stored(kind, adata, folder):
    """The same data, whose expression is not in memory."""
    if kind == "backed":
        adata.write_h5ad(folder / "a.h5ad")
        return ad.read_h5ad(folder / "a.h5ad", backed="r")
    dask = pytest.importorskip("dask.array")
    if kind == "dask":
        chunks = dask.from_array(as_dense(adata.X), chunks=(40, adata.n_vars))
        adata.X = chunks.map_blocks(sparse.csr_matrix)
        return adata
    pytest.importorskip("xarray")
    adata.write_zarr(folder / "a.zarr")
    return ad.experimental.read_lazy(folder / "a.zarr")


def fit(case, adata):
    name, _, setup, kwargs, train = case
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata, **setup)
    model = cls(adata, **kwargs)
    known = {"max_epochs": 2, "seed": 0, "accelerator": "cpu", "enable_progress_bar": False}
    model.train(**known | train)
    return model


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks, runs and windows of which small data have several."""
    torch.set_num_threads(1)
    monkeypatch.setattr(_blocks, "_BLOCK", 400)
    monkeypatch.setattr(_stored_rows, "_RUN", 8)
    monkeypatch.setattr(_sampling, "N_TOGETHER", 64)
    monkeypatch.setattr(_domains, "N_TOGETHER", 64)


def table(names):
    """Every case with every kind of data; each of them with one kind in tests that are not slow."""
    for place, name in enumerate(names):
        for kind in KINDS:
            yield pytest.param(name, kind, marks=[] if KINDS[place % len(KINDS)] == kind else pytest.mark.slow)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("case", "kind"), table(CASES))
def test_a_model_learns_the_same_in_the_same_order(case, kind, make_screen, tmp_path, monkeypatch):
    case = CASES[case]
    on_disk = stored(kind, data(make_screen, case[1]), tmp_path)
    run = StoredRows(on_disk.X).run
    found = fit(case, on_disk)
    assert is_stored(on_disk.X)

    def in_runs(x):
        rows = StoredRows(x)
        rows.run = run
        return rows

    monkeypatch.setattr(_dataset, "by_rows", in_runs)
    in_memory = data(make_screen, case[1])
    expected = fit(case, in_memory)
    for name, value in expected.module.state_dict().items():
        np.testing.assert_allclose(found.module.state_dict()[name], value, rtol=1e-3, atol=1e-4, err_msg=name)
    for name, values in expected.history_.items():
        np.testing.assert_allclose(
            found.history_[name].to_numpy(float), values.to_numpy(float), rtol=1e-3, err_msg=name
        )
    one, other = (results(model) for model in (found, expected))
    assert one.keys() == other.keys()
    for name, value in other.items():
        np.testing.assert_allclose(one[name], value, rtol=1e-3, atol=1e-3, err_msg=name)


def results(model):
    """What the model says of its cells."""
    made = {}
    if isinstance(model, ScreenModel):
        made["predict"] = model.predict(perturbation=["A", "A+B"], n_cells=6, rng=0, output="mean").X
        made["evaluate"] = model.evaluate(n_components=None, n_cells=8)["pearson"].to_numpy(float)
    elif hasattr(model, "predict"):
        predicted = model.predict()
        predicted = predicted.X if isinstance(predicted, ad.AnnData) else predicted
        made["predict"] = np.asarray(
            predicted.select_dtypes("number") if isinstance(predicted, pd.DataFrame) else predicted, dtype=float
        )
    if hasattr(model, "get_latent_representation"):
        made["latent"] = model.get_latent_representation()
    return made


@pytest.mark.parametrize(("case", "kind"), table(REFUSED))
def test_a_model_that_compares_all_cells_says_so(case, kind, make_screen, tmp_path):
    name, kwargs = REFUSED[case]
    adata = stored(kind, data(make_screen, "counts" if "nb" in case else "logs"), tmp_path)
    with pytest.raises(NotImplementedError, match=r"Optimal transport compares .*to_memory\(\)"):
        fit((name, "logs", SCREEN, kwargs, {}), adata)
