from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import scpi
from scpi.model.base import InputTransform
from scpi.model.clustering._batch_factors import _log_ratio, _mutual_neighbours, batch_factors
from scpi.model.clustering._components import principal_components

QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}


def cells(confounded=0.5, seed=0, n=900):
    """Three groups in two batches; a fraction of the first group is in the first batch, and as many of the others in the second."""
    adata = scpi.datasets.splat(
        n, n_genes=300, group_prob=(0.5, 0.3, 0.2), de_prob=0.3, batch_prob=(0.5, 0.5), batch_fac_scale=0.3, rng=seed
    )
    first = (adata.obs["group"] == "Group1").to_numpy()
    together = first == (adata.obs["batch"] == adata.obs["batch"].cat.categories[0]).to_numpy()
    kept = np.random.default_rng(seed).random(n) < np.where(together, confounded, 1 - confounded) / max(confounded, 0.5)
    return adata[kept].copy()


def tensors(adata):
    codes = adata.obs["batch"].cat.codes.to_numpy().astype(np.int64)
    return torch.from_numpy(adata.X.toarray().astype(np.float32)), torch.from_numpy(codes)[:, None]


def true_ratio(adata):
    factor = np.log(adata.varm["batch_factor"].to_numpy())
    return factor[:, 1] - factor[:, 0]


@pytest.mark.parametrize("confounded", [0.5, 0.9])
def test_factors_are_those_of_the_batches_and_not_of_the_groups_in_them(confounded):
    adata = cells(confounded)
    counts, batch = tensors(adata)
    found = batch_factors(counts, None, batch, 2).log().numpy()
    # Their geometric mean is 1
    np.testing.assert_allclose(found.sum(0), 0.0, atol=1e-5)
    expressed = counts.sum(0).numpy() > 500
    ratio, true = (values[expressed] for values in (found[1] - found[0], true_ratio(adata)))
    assert np.corrcoef(ratio, true)[0, 1] > 0.95
    # Up to a constant, which is the depth
    assert np.polyfit(true, ratio, 1)[0] == pytest.approx(1.0, abs=0.12)


@pytest.mark.parametrize(("confounded", "worst"), [(0.5, 0.4), (0.9, 0.9)])
def test_clusters_follow_groups_and_not_batches(confounded, worst):
    adata = cells(confounded, seed=1)
    counts, batch = tensors(adata)
    agreement = []
    for n_batches in (0, 2):
        transform = InputTransform(counts.shape[1], "pearson", n_batches=n_batches)
        if n_batches:
            transform.set_factors(batch_factors(counts, None, batch, 2))
        transform.fit(lambda: iter([(counts, None, batch)]))
        x = transform(counts, None, batch)
        z = ((x - x.mean(0)) @ principal_components(x, 8)[0]).numpy()
        agreement.append(adjusted_rand_score(adata.obs["group"], KMeans(3, n_init=5, random_state=0).fit_predict(z)))
    assert agreement[0] < worst
    assert agreement[1] > 0.95


def test_only_mutual_neighbours_are_pairs(monkeypatch):
    from scpi.model.clustering import _batch_factors

    monkeypatch.setattr(_batch_factors, "_N_NEIGHBOURS", 1)
    one, other = np.array([[0.0], [10.0], [30.0]]), np.array([[1.0], [9.0]])
    assert _mutual_neighbours(one, other).tolist() == [[0, 0], [1, 1]]


def test_the_ratio_is_that_of_the_counts_of_pairs():
    counts = torch.tensor([[200.0, 100.0], [999.0, 1.0], [100.0, 100.0]])
    depth, (one, other) = np.array([2.0, 1.0, 1.0]), (np.array([0, 1]), np.array([2]))
    found = _log_ratio(counts, depth, one, other, np.array([[0, 0]]))
    rate = np.array([300.0, 200.0]) / 3.0
    expected = np.log((np.array([200.0, 100.0]) + 10) / (2 + 10 / rate)) - np.log((100.0 + 10) / (1 + 10 / rate))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert _log_ratio(counts, depth, one, other, np.zeros((0, 2), dtype=int)).tolist() == [0.0, 0.0]


def test_one_batch_has_no_factors():
    counts, batch = tensors(cells(n=200))
    np.testing.assert_array_equal(batch_factors(counts, None, torch.zeros_like(batch), 1), np.ones((1, 300)))


@pytest.mark.parametrize("name", ["ContrastiveSC", "SCDeepCluster", "SCZIDesk"])
def test_networks_read_batches(name, tmp_path):
    adata = cells(n=300, seed=2)
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata, batch_key="batch")
    model = cls(adata, n_clusters=3, seed=0)
    model.train(max_epochs=2, max_cluster_epochs=1, **QUIET)
    factor = model.module.transform.factor
    assert factor.shape == (3, 300)
    assert (factor[:2] != 1).any()
    assert (factor[2] == 1).all()
    z = model.get_latent_representation()
    # The other batch changes what the encoder reads
    swapped = adata.copy()
    swapped.obs["batch"] = swapped.obs["batch"].cat.rename_categories(swapped.obs["batch"].cat.categories[::-1])
    assert np.abs(model.get_latent_representation(swapped) - z).max() > 0.01
    model.save(tmp_path / "model")
    loaded = cls.load(tmp_path / "model", adata=adata, accelerator="cpu")
    np.testing.assert_allclose(loaded.get_latent_representation(), z, atol=1e-5)
    # Cells of a batch that is not known are read as they are
    other = adata[:50].copy()
    other.obs["batch"] = "new"
    unknown = model.get_latent_representation(other)
    model.module.transform.factor[:2] = 1.0
    np.testing.assert_allclose(unknown, model.get_latent_representation(adata)[:50], atol=1e-4)
    with pytest.raises(KeyError, match="`batch_key` names 'lane', but"):
        cls.setup_anndata(adata, batch_key="lane")


def test_one_call_takes_batches_out():
    adata = cells(seed=3)
    options = {"n_clusters": 3, "train_kwargs": {"accelerator": "cpu"}}
    scpi.tl.cluster(adata, **options)
    before = adata.obs["cluster"]
    scpi.tl.cluster(adata, batch_key="batch", key_added="corrected", **options)
    assert adata.uns["corrected"]["params"]["batch_key"] == "batch"
    assert adjusted_rand_score(adata.obs["group"], before) < 0.5
    assert adjusted_rand_score(adata.obs["group"], adata.obs["corrected"]) > 0.95
    assert adjusted_rand_score(adata.obs["batch"], adata.obs["corrected"]) < 0.05
