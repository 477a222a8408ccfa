"""Training on the batches of a data module of scvi-tools."""

from __future__ import annotations

import inspect

import anndata as ad
import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scpi
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._given_batches import GivenBatches

QUIET = {"accelerator": "cpu", "enable_progress_bar": False}
COVARIATES = {
    "batch_key": "batch",
    "categorical_covariate_keys": ["drug"],
    "continuous_covariate_keys": ["dose"],
}


def cells(n_cells=600, n_genes=12):
    rng = np.random.default_rng(0)
    group = np.arange(n_cells) % 3
    obs = pd.DataFrame(
        {
            "batch": np.array(["x", "y"])[np.arange(n_cells) % 2],
            # In another order than that of the alphabet, which data modules take
            "drug": pd.Categorical(np.array(["b", "c", "a"])[group], categories=["c", "a", "b"]),
            "dose": rng.random(n_cells).astype(np.float32),
            "kind": np.array(["p", "q"])[np.arange(n_cells) % 2],
        },
        index=[f"c{i}" for i in range(n_cells)],
    )
    counts = rng.poisson(rng.gamma(1.0, 2.0, (3, n_genes))[group]).astype(np.float32)
    return ad.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]))


class Module(pl.LightningDataModule):
    """A data module of cells in memory with the registry of those of scvi-tools."""

    batch_size, unlabeled_category = 50, "Unknown"

    def __init__(self, adata):
        super().__init__()
        self.adata, self.n_train, self.n_val, self.division = adata, adata.n_obs, 0, None
        self.names = {name: sorted(set(adata.obs[name])) for name in ("batch", "drug", "kind")}
        self.genes = adata.var_names.tolist()

    @property
    def registry(self):
        fields = {
            "X": {"column_names": self.genes},
            "batch": {"categorical_mapping": np.array(self.names["batch"]), "original_key": "batch"},
            "labels": {"categorical_mapping": np.array([*self.names["kind"], "Unknown"]), "original_key": "kind"},
            "extra_categorical_covs": {"mapping": {"drug": np.array(self.names["drug"])}},
            "extra_continuous_covs": {"columns": np.array(["dose"], dtype=object)},
        }
        return {"field_registries": {key: {"state_registry": state} for key, state in fields.items()}}

    def set_split(self, **division):
        self.division = division
        self.n_val = round(self.adata.n_obs * (1 - division["train_size"]))
        self.n_train = self.adata.n_obs - self.n_val

    def _batches(self, start, stop):
        return [self.adata[i : min(i + self.batch_size, stop)] for i in range(start, stop, self.batch_size)]

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self._batches(self.n_val, self.adata.n_obs), batch_size=None)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(self._batches(0, self.n_val), batch_size=None) if self.n_val else []

    def on_before_batch_transfer(self, batch, dataloader_idx):
        codes = {
            key: torch.from_numpy(np.searchsorted(self.names[key], np.asarray(batch.obs[key], dtype=str)))[:, None]
            for key in self.names
        }
        x = torch.from_numpy(batch.X.toarray())
        return {
            "X": x,
            "batch": codes["batch"],
            "labels": codes["kind"],
            "extra_categorical_covs": codes["drug"],
            "extra_continuous_covs": torch.from_numpy(np.asarray(batch.obs["dose"]))[:, None],
            "size_factor": x.sum(1, keepdim=True) / x.sum(1).mean(),
            "sample": torch.zeros(len(x), 1),
        }


@pytest.fixture
def model():
    adata = cells()
    scpi.model.NBVAE.setup_anndata(adata, **COVARIATES, labels_key="kind")
    return scpi.model.NBVAE(adata, n_latent=3, seed=0)


def given(model, module, **options):
    division = {"train_size": 0.9, "validation_size": None, "batch_size": 50, "seed": 0}
    return GivenBatches(model, module, **division | options)


def test_a_batch_has_the_codes_of_the_model_and_what_it_registers(model):
    adata = cells()
    batches = given(model, Module(adata))
    tensors = batches.on_before_batch_transfer(adata[10:40], 0)
    assert set(tensors) == {KEYS.X, KEYS.BATCH, KEYS.LABELS, KEYS.CATEGORICAL, KEYS.CONTINUOUS}
    np.testing.assert_array_equal(tensors[KEYS.X].numpy(), adata.X[10:40].toarray())
    for key in (KEYS.BATCH, KEYS.LABELS, KEYS.CATEGORICAL, KEYS.CONTINUOUS):
        own = np.asarray(model._field(model.adata, key)).reshape(600, -1)[10:40]
        np.testing.assert_allclose(tensors[key].numpy(), own)
    assert (
        tensors[KEYS.CATEGORICAL].ravel().tolist()
        != np.searchsorted(["a", "b", "c"], adata.obs["drug"][10:40]).tolist()
    )


def test_a_model_learns_from_given_batches(model):
    module = Module(cells())
    model.train(max_epochs=1, datamodule=module, train_size=0.8, batch_size=50, **QUIET)
    first = float(model.history["validation_loss"].iloc[-1].item())
    model.train(max_epochs=15, datamodule=module, train_size=0.8, batch_size=50, **QUIET)
    assert float(model.history["validation_loss"].iloc[-1].item()) < first - 1
    assert module.division == {"train_size": 0.8, "validation_size": None, "batch_size": 50}
    # Positions in the collection are not those of the data
    assert model.train_indices is None
    assert model.get_latent_representation().shape == (600, 3)


def test_what_is_not_that_of_the_model_is_refused(model):
    module = Module(cells())
    module.genes = module.genes[::-1]
    with pytest.raises(ValueError, match="genes of the data module are not those of the model, in its order"):
        given(model, module)
    module = Module(cells())
    module.names["drug"] = ["a", "b", "c", "d"]
    with pytest.raises(
        ValueError, match="'drug' of the data module has 'd', but the model was set up with 'c', 'a', 'b'"
    ):
        given(model, module)
    adata = cells()
    adata.obs["depth"] = 1.0
    for setup, message in {
        "size_factor_key": ("depth", "does not provide size factors"),
        "continuous_covariate_keys": (["depth"], "'dose', those of the model 'depth'"),
        "categorical_covariate_keys": (["kind"], "'drug', those of the model 'kind'"),
    }.items():
        value, words = message
        scpi.model.NBVAE.setup_anndata(adata, **COVARIATES | {setup: value})
        with pytest.raises(ValueError, match=words):
            given(scpi.model.NBVAE(adata, seed=0), Module(cells()))


def test_cells_without_a_label_are_refused(model):
    module = Module(cells())
    tensors = module.on_before_batch_transfer(module.adata[:5], 0)
    # The code of the category that data modules add
    tensors["labels"][2] = 2
    module.on_before_batch_transfer = lambda batch, place: tensors
    with pytest.raises(ValueError, match="Some cells of the data module have no 'labels'"):
        given(model, module).on_before_batch_transfer(None, 0)


@pytest.mark.slow
def test_a_model_trains_on_a_collection_of_annbatch(tmp_path):
    annbatch = pytest.importorskip("annbatch")
    pytest.importorskip("zarrs")
    if "to_torch" not in inspect.signature(annbatch.Loader.__init__).parameters:
        pytest.skip("scvi-tools calls the loader of annbatch with an argument that this version does not have")
    adata = cells(2000)
    adata.write_h5ad(tmp_path / "a.h5ad")
    stored = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    losses = []
    for on_disk in (True, False):
        module = None
        if on_disk:
            module = scpi.model.NBVAE.setup_annbatch(
                collection_path=str(tmp_path / "c.zarr"),
                paths=[str(tmp_path / "a.h5ad")],
                batch_size=128,
                preload_to_gpu=False,
                shuffle=True,
                **COVARIATES,
            )
        scpi.model.NBVAE.setup_anndata(stored, **COVARIATES)
        model = scpi.model.NBVAE(stored, n_latent=3, seed=0)
        model.train(max_epochs=15, datamodule=module, train_size=0.9, restore_best=False, **QUIET)
        losses.append(float(model.history["reconstruction_loss_train"].iloc[-1].item()))
    assert abs(losses[0] - losses[1]) < 0.02 * losses[1]
