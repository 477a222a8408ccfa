from __future__ import annotations

import numpy as np
import torch

import scpi
from scpi.model.dgd._start import identity_of, project, start_means, widest_axes


def test_representations_start_from_principal_components(cells):
    adata = cells.copy()
    scpi.model.DGD.setup_anndata(adata)
    splitter = scpi.model.DGD(adata)._split(train_size=1.0)
    torch.manual_seed(0)
    z = project(splitter, n_latent=4, radius=2.0).double().numpy()
    counts = adata.X.toarray()
    total = counts.sum(1, keepdims=True)
    logs = np.log1p(counts / total * np.median(total))
    u, s, _ = np.linalg.svd(logs - logs.mean(0), full_matrices=False)
    expected = u[:, :4] * s[:4]
    scale = np.linalg.norm(z) / np.linalg.norm(expected)
    # Three groups lie in a plane; what is left is noise, whose axes are found roughly
    np.testing.assert_allclose(np.abs(z[:, :2]), np.abs(expected[:, :2]) * scale, atol=0.1)
    # Nine of ten cells lie in the ball
    assert (np.linalg.norm(z, axis=1) <= 2.0 + 1e-5).mean() == 0.9


def test_components_start_at_the_centres_of_their_labels():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [50, 60, 1])
    z = (rng.normal(size=(111, 2)) * 0.1 + 3.0 * labels[:, None]).astype(np.float32)
    means = start_means(z, labels, n_labels=4, n_each=1, seed=0)
    np.testing.assert_allclose(means[:3], [z[labels == label].mean(0) for label in range(3)], atol=1e-5)
    # A label without cells to train on
    np.testing.assert_array_equal(means[3], 0.0)
    two = start_means(z, labels, n_labels=3, n_each=2, seed=0)
    assert two.shape == (6, 2)
    np.testing.assert_allclose(two[:2].mean(0), z[:50].mean(0), atol=0.1)


def test_the_widest_axes_are_orthonormal_and_widest():
    z = torch.randn(500, 3) * torch.tensor([0.1, 3.0, 1.0])
    axes = widest_axes(z)
    np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(np.abs(axes), [[0, 0], [1, 0], [0, 1]], atol=0.1)
    np.testing.assert_array_equal(widest_axes(torch.randn(9, 1)), [[1.0, 0.0]])


def test_cells_are_told_apart_by_names_counts_and_covariates(cells):
    codes, values = np.zeros((cells.n_obs, 1), dtype=np.int64), np.zeros((cells.n_obs, 0), dtype=np.float32)
    known = identity_of(cells.obs_names, cells.X, codes, values)
    assert identity_of(cells.obs_names.copy(), cells.X.toarray(), codes, values) == known
    assert identity_of(cells.obs_names, cells.X.tocsc(), codes, values) == known
    others = (
        identity_of(cells.obs_names[::-1], cells.X, codes, values),
        identity_of(cells.obs_names, 2 * cells.X, codes, values),
        identity_of(cells.obs_names, cells.X, codes + 1, values),
    )
    assert len({known, *others}) == 4
