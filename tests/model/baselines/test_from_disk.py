"""Baselines of cells that are not in memory are those of the same cells in memory."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import scpi
from scpi._screen import _blocks
from scpi._screen._expression import log_normalised
from scpi._screen._matrix import as_dense

NAMES = ["Additive", "LogRatioDelta", "MeanDelta", "NearestDelta", "NoChange", "PCAShift", "TrainMean", "WeightedDelta"]


def logs(make_screen):
    adata = make_screen()
    adata.layers["counts"] = adata.X.copy()
    adata.X = log_normalised(adata.X).astype(np.float32)
    return adata


def stored(kind, adata, folder):
    if kind == "backed":
        adata.write_h5ad(folder / "a.h5ad")
        return ad.read_h5ad(folder / "a.h5ad", backed="r")
    pytest.importorskip("dask")
    pytest.importorskip("xarray")
    adata.write_zarr(folder / "a.zarr")
    return ad.experimental.read_lazy(folder / "a.zarr")


@pytest.mark.parametrize("kind", ["backed", "lazy"])
@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_those_in_memory(name, kind, make_screen, tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks, "_BLOCK", 400)
    cls = getattr(scpi.model, name)
    found = []
    for adata in (stored(kind, logs(make_screen), tmp_path), logs(make_screen)):
        cls.setup_anndata(adata, perturbation_key="perturbation", control="control", context_key="cell_type")
        model = cls(adata)
        model.train(seed=0)
        found.append(model.predict(perturbation=["A", "A+B"], n_cells=6, rng=0))
    one, other = found
    np.testing.assert_allclose(as_dense(one.X), as_dense(other.X), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(as_dense(one.layers["counts"]), as_dense(other.layers["counts"]))
    assert one.obs.equals(other.obs)
