"""What trained networks predict, where the truth is known and on real cells."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import scpi

GENES, FACTORS = 60, 4


@pytest.fixture(scope="module")
def curved():
    """Cells of a curved surface: three factors of expression, of which a drug moves one, alike in all contexts."""
    rng = np.random.default_rng(0)
    weight, level = rng.normal(0, 0.8, (FACTORS, GENES)), rng.uniform(0, 2, GENES)
    contexts, labels = np.repeat(list("abcd"), 240), np.tile(np.repeat(["control", "drug"], 120), 4)
    centre = {name: rng.normal(0, 1, FACTORS) for name in "abcd"}
    z = np.stack([centre[name] for name in contexts]) + rng.normal(0, 0.3, (len(contexts), FACTORS))
    moved = z + (labels == "drug")[:, None] * np.array([1.5, 0, 0, 0])
    x = np.log1p(np.exp(moved @ weight + level)) + rng.normal(0, 0.05, (len(z), GENES))
    obs = pd.DataFrame({"perturbation": labels, "context": contexts}, index=np.arange(len(z)).astype(str))
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
    predicted = model.predict(perturbation=label, context=context)
    return np.asarray(predicted.X).mean(0) - predicted.uns["prediction"]["control_mean"]


def true_change(adata, context):
    x = adata.to_df().to_numpy()
    own, control = (adata.obs["context"] == context).to_numpy(), (adata.obs["perturbation"] == "control").to_numpy()
    return x[own & ~control].mean(0) - x[own & control].mean(0)


@pytest.mark.parametrize("name", ["SCGEN", "SCVIDR"])
def test_a_shift_on_a_curved_surface_is_learned(curved, name):
    """The change of the genes depends on the context, that of the factors does not."""
    truth, errors = true_change(curved, "a"), {}
    network = {"n_hidden": 64, "n_latent": 10}
    for model, kwargs in (("MeanDelta", {}), (name, network)):
        found = predicted_change(model, curved.copy(), "a", kwargs=kwargs, max_epochs=60)
        errors[model] = np.sqrt(np.mean((found - truth) ** 2)) / np.sqrt(np.mean(truth**2))
    assert errors[name] < 0.8 * errors["MeanDelta"]


def test_interferon_in_a_type_of_blood_cells_that_was_never_stimulated(test_data):
    adata = ad.read_h5ad(test_data("kang_muscat.h5ad"))
    adata.obs["perturbation"] = np.where(adata.obs["condition"] == "ctrl", "control", "stim")
    adata.obs["context"] = adata.obs["cell_type"].astype(str)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=300)
    adata = adata[:, adata.var["highly_variable"]].copy()
    network = {"n_hidden": 64, "n_latent": 20}
    found = predicted_change("SCVIDR", adata, "B cells", kwargs=network, max_epochs=40)
    assert np.corrcoef(found, true_change(adata, "B cells"))[0, 1] > 0.8
