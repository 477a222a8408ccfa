from __future__ import annotations

import anndata as ad
import numpy as np
import scanpy as sc
import torch

from scpi.model.base.loading._input_transform import InputTransform


def fitted(x, kind, size=None):
    transform = InputTransform(x.shape[1], kind)
    counts = torch.from_numpy(x)
    sizes = None if size is None else torch.from_numpy(size)
    blocks = [slice(0, 20), slice(20, None)]
    transform.fit(lambda: ((counts[part], None if sizes is None else sizes[part]) for part in blocks))
    return transform


def test_residuals_are_those_of_scanpy(make_groups):
    x = make_groups().X.toarray()
    expected = sc.experimental.pp.normalize_pearson_residuals(ad.AnnData(x.copy()), theta=100.0, inplace=False)["X"]
    np.testing.assert_allclose(fitted(x, "pearson")(torch.from_numpy(x)).numpy(), expected, atol=1e-4)


def test_residuals_are_clipped(make_groups):
    x = make_groups().X.toarray()
    x[0, 0] = 1e6
    assert fitted(x, "pearson")(torch.from_numpy(x)).max() == np.float32(60**0.5)


def test_logarithms_are_those_of_scanpy(make_groups):
    x = make_groups().X.toarray()
    adata = ad.AnnData(x.copy())
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    sc.pp.scale(adata)
    np.testing.assert_allclose(fitted(x, "log")(torch.from_numpy(x)).numpy(), adata.X, atol=1e-3)


def test_size_factors_take_the_place_of_totals(make_groups):
    x = make_groups().X.toarray()
    size = x.sum(1) / 100
    for kind in ("pearson", "log"):
        plain = fitted(x, kind)(torch.from_numpy(x))
        given = fitted(x, kind, size)(torch.from_numpy(x), torch.from_numpy(size))
        torch.testing.assert_close(plain, given, rtol=1e-4, atol=1e-4)
        # Depth of the cells is what is divided out.
        twice = fitted(x, kind, 2 * size)(torch.from_numpy(x), torch.from_numpy(2 * size))
        torch.testing.assert_close(given, twice, rtol=1e-4, atol=1e-4)


def test_nothing_gives_no_nan():
    x = np.zeros((5, 4), dtype=np.float32)
    x[1:, 0] = [1, 2, 3, 4]
    for kind in ("pearson", "log"):
        assert torch.isfinite(fitted(x, kind)(torch.from_numpy(x))).all()
        assert torch.isfinite(fitted(0 * x, kind)(torch.from_numpy(x))).all()
