"""Training on cells that are not in memory, and in several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scpi

QUIET = {"accelerator": "cpu", "enable_progress_bar": False}


def cells(n_cells=300, n_genes=20):
    rng = np.random.default_rng(0)
    group = np.arange(n_cells) * 3 // n_cells
    rate = rng.gamma(1.0, 2.0, (3, n_genes))[group]
    obs = pd.DataFrame({"batch": np.array(["x", "y"])[np.arange(n_cells) % 2]}, index=[f"c{i}" for i in range(n_cells)])
    return ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs)


def stored(kind, folder):
    if kind == "backed":
        cells().write_h5ad(folder / "a.h5ad")
        return ad.read_h5ad(folder / "a.h5ad", backed="r")
    pytest.importorskip("dask")
    pytest.importorskip("xarray")
    cells().write_zarr(folder / "a.zarr")
    return ad.experimental.read_lazy(folder / "a.zarr")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("kind", ["backed", "lazy"])
def test_a_model_trains_on_cells_that_are_not_in_memory(kind, tmp_path):
    adata = stored(kind, tmp_path)
    scpi.model.NBVAE.setup_anndata(adata, batch_key="batch")
    model = scpi.model.NBVAE(adata, n_latent=3, seed=0)
    model.train(max_epochs=1, train_size=0.9, validation_size=0.1, **QUIET)
    before = _error(model)
    model.train(max_epochs=20, train_size=0.9, validation_size=0.1, **QUIET)
    assert _error(model) < before - 0.02
    assert not isinstance(adata.X, np.ndarray | sparse.csr_matrix)
    # The same cells in memory have the same latent units
    found = model.get_latent_representation()
    np.testing.assert_allclose(model.get_latent_representation(cells()), found, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model")
    loaded = scpi.model.NBVAE.load(tmp_path / "model", adata=adata)
    np.testing.assert_allclose(loaded.get_latent_representation(), found, rtol=1e-6)


def _error(model):
    """Negative log-likelihood of Poisson counts at the expectation of the model."""
    counts = cells().X.toarray()
    expected = np.asarray(model.get_normalized_expression(cells(), library_size=1)) * counts.sum(1, keepdims=True)
    return float((expected - counts * np.log(expected + 1e-9)).mean())


def test_values_are_checked_before_training(tmp_path):
    adata = cells()
    adata.X.data[-1] = 0.5
    adata.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(
        ValueError, match="fractional values such as 0.5, but the likelihood of counts needs raw counts"
    ):
        scpi.model.NBVAE.setup_anndata(ad.read_h5ad(tmp_path / "a.h5ad", backed="r"))


def test_cells_that_are_stored_by_columns_are_refused(tmp_path):
    adata = cells()
    adata.X = adata.X.tocsc()
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    scpi.model.NBVAE.setup_anndata(adata)
    with pytest.raises(NotImplementedError, match="stored by columns"):
        scpi.model.NBVAE(adata, n_latent=3).train(max_epochs=1, **QUIET)


SCRIPT = """
import json, os, sys
import torch
sys.path.insert(0, sys.argv[1])
from test_from_disk import cells, scpi, _error
torch.set_num_threads(1)
adata = cells()
scpi.model.NBVAE.setup_anndata(adata, batch_key="batch")
model = scpi.model.NBVAE(adata, n_latent=3, seed=int(sys.argv[2]))
n = int(sys.argv[3])
several = {"devices": n, "strategy": "ddp_find_unused_parameters_true"} if n > 1 else {}
model.train(max_epochs=20, batch_size=32 // n, train_size=1.0, accelerator="cpu", enable_progress_bar=False, **several)
if int(os.environ.get("LOCAL_RANK", 0)) == 0:
    print("loss", json.dumps(_error(model)))
"""


def _loss(folder, seed, n_processes):
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(folder / "train.py"), str(Path(__file__).parent), str(seed), str(n_processes)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("loss"))
    return json.loads(line.removeprefix("loss"))


@pytest.mark.slow
def test_two_processes_reach_the_loss_of_one(tmp_path):
    one, two = (np.array([_loss(tmp_path, seed, n) for seed in range(3)]) for n in (1, 2))
    print(one, two)
    # Standard error of the difference of two means of three runs each
    error = np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 3)
    assert abs(one.mean() - two.mean()) < 3 * error
