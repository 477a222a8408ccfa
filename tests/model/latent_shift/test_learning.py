"""What trained networks predict, where the truth is known and on real cells."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import scpi


@pytest.fixture(scope="module")
def curved():
    """Cells of a curved surface of two factors, of which a drug moves one, alike in all contexts."""
    rng, n, genes = np.random.default_rng(0), 100, 40
    weight, level = rng.normal(0, 1.5, (2, genes)), rng.uniform(-2, 2, genes)
    centre = {"a": [-1.5, 0.5], "b": [-0.5, -0.5], "c": [0.5, 0.5], "d": [0.0, -1.0]}
    contexts, labels = np.repeat(list(centre), 2 * n), np.tile(np.repeat(["control", "drug"], n), 4)
    z = np.stack([centre[name] for name in contexts]) + rng.normal(0, 0.8, (8 * n, 2))
    moved = z + (labels == "drug")[:, None] * np.array([1.5, 0.0])
    x = np.log1p(np.exp(moved @ weight + level)) + rng.normal(0, 0.05, (8 * n, genes))
    obs = pd.DataFrame({"perturbation": labels, "context": contexts}, index=np.arange(8 * n).astype(str))
    return ad.AnnData(x.astype(np.float32), obs=obs)


def left_out(adata, context):
    """Training, validation and test cells without the perturbed cells of a context."""
    cells = np.random.default_rng(0).permutation(adata.n_obs)
    out = ((adata.obs["context"] == context) & (adata.obs["perturbation"] != "control")).to_numpy()[cells]
    rest = cells[~out]
    n = int(0.9 * len(rest))
    return [rest[:n], rest[n:], cells[out]]


def predicted_change(name, adata, context, *, kwargs=None, **train):
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata, context_key="context")
    model = cls(adata, **(kwargs or {}))
    model.train(
        accelerator="cpu",
        enable_progress_bar=False,
        datasplitter_kwargs={"external_indexing": left_out(adata, context)},
        **train,
    )
    label = next(label for label in adata.obs["perturbation"].unique() if label != "control")
    predicted = model.predict(perturbation=label, context=context, output="mean")
    return np.asarray(predicted.X).mean(0) - predicted.uns["prediction"]["control_mean"]


def true_change(adata, context):
    x = adata.to_df().to_numpy()
    own, control = (adata.obs["context"] == context).to_numpy(), (adata.obs["perturbation"] == "control").to_numpy()
    return x[own & ~control].mean(0) - x[own & control].mean(0)


def test_a_shift_on_a_curved_surface_is_learned(curved):
    """The change of the genes depends on the context, that of the factors does not."""
    truth, errors = true_change(curved, "a"), {}
    network = {"n_hidden": 64, "n_latent": 4, "lr": 5e-3, "batch_size": 64}
    for model, kwargs in (("MeanDelta", {}), ("WeightedDelta", {}), ("SCGEN", network)):
        found = predicted_change(model, curved.copy(), "a", kwargs=kwargs, max_epochs=15)
        errors[model] = np.sqrt(np.mean((found - truth) ** 2) / np.mean(truth**2))
    assert errors["SCGEN"] < 0.4
    assert min(errors["MeanDelta"], errors["WeightedDelta"]) > 0.5


def test_interferon_in_a_type_of_blood_cells_that_was_never_stimulated(test_data):
    adata = ad.read_h5ad(test_data("kang_muscat.h5ad"))
    adata.obs["perturbation"] = np.where(adata.obs["condition"] == "ctrl", "control", "stim")
    adata.obs["context"] = adata.obs["cell_type"].astype(str)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=300)
    adata = adata[:, adata.var["highly_variable"]].copy()
    network = {"n_hidden": 64, "n_latent": 20, "lr": 5e-3, "batch_size": 64}
    found = predicted_change("SCVIDR", adata, "B cells", kwargs=network, max_epochs=10)
    assert np.corrcoef(found, true_change(adata, "B cells"))[0, 1] > 0.8
