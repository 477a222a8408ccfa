from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi._view import View
from scpi.tl._labelled_cells import centre, read_labelled_cells

OPTIONS = {
    "perturbation_key": "perturbation",
    "control": "control",
    "groups": "all",
    "delimiter": "+",
    "min_cells": 2,
    "batch_key": None,
    "guide_key": None,
    "use_rep": None,
    "n_components": 3,
}


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, (40, 12)).astype(np.float32)
    obs = {"perturbation": np.tile(["control", "A", "B+A", "A+B", "control"], 8), "batch": np.repeat(["x", "y"], 20)}
    adata = ad.AnnData(sparse.csr_matrix(counts), obs=obs)
    adata.obs["guide"] = adata.obs["perturbation"] + np.tile(["1", "2"], 20)
    return adata


def read(adata, **kwargs):
    return read_labelled_cells(View.of(adata), rng=np.random.default_rng(0), **(OPTIONS | kwargs))


def test_codes_follow_the_names(adata):
    cells = read(adata)
    assert cells.names == ["A", "A+B"] and cells.control == "control" and cells.guide is None
    assert cells.codes[:5].tolist() == [0, 1, 2, 2, 0]
    assert [len(cells.of(code)) for code in range(3)] == [16, 8, 16]
    chosen = cells.sample(0, 5, np.random.default_rng(0))
    assert len(set(chosen)) == 5 and (np.diff(chosen) > 0).all() and (cells.codes[chosen] == 0).all()
    assert read(adata, groups=["B+A"]).names == ["A+B"]


def test_components_keep_the_distances_and_a_batch_has_mean_zero(adata):
    cells = read(adata, batch_key="batch", n_components=12)
    assert cells.values.shape == (40, 12)
    for batch in (0, 1):
        np.testing.assert_allclose(cells.values[cells.batch == batch].mean(axis=0), 0, atol=1e-9)
    # Principal components of sparse and of dense cells are the same, but for their signs
    few = read(adata)
    assert few.values.shape == (40, 3)
    dense = adata.copy()
    dense.X = dense.X.toarray()
    np.testing.assert_allclose(np.abs(read(dense).values), np.abs(few.values), atol=1e-4)


def test_cells_without_a_batch_or_a_guide_are_left_out(adata):
    adata.obs["guide"] = adata.obs["guide"].astype(object)
    adata.obs.loc[adata.obs_names[:3], "guide"] = None
    adata.obs.loc[adata.obs_names[4], "perturbation"] = "unassigned"
    cells = read(adata, guide_key="guide", batch_key="batch")
    assert cells.codes[:5].tolist() == [-1, -1, -1, 2, -1]
    assert cells.guide_names[cells.guide[3]] == adata.obs["guide"].iloc[3]
    np.testing.assert_array_equal(cells.values[:3], 0)


def test_a_stored_representation(adata):
    adata.obsm["X_pca"] = pd.DataFrame(np.arange(80.0).reshape(40, 2), index=adata.obs_names)
    np.testing.assert_allclose(read(adata, use_rep="X_pca").values[:, 0], np.arange(0, 80, 2) - 39)
    adata.obsm["X_pca"] = np.full((40, 2), np.nan)
    with pytest.raises(ValueError, match="without NaN or infinite"):
        read(adata, use_rep="X_pca")


def test_genes_that_are_targets_can_be_left_out(adata):
    adata.var_names = [*"AB", *(f"g{i}" for i in range(10))]
    np.testing.assert_array_equal(
        read(adata, exclude_targets=True, n_components=10).values, read(adata, n_components=12).values[:, 2:]
    )
    adata.obsm["X_pca"] = np.ones((40, 2))
    with pytest.raises(ValueError, match="`exclude_targets` needs genes"):
        read(adata, exclude_targets=True, use_rep="X_pca")
    with pytest.raises(ValueError, match="No gene is left"):
        read(adata[:, :2].copy(), exclude_targets=True)


def test_centre_leaves_cells_out():
    values = centre(np.array([[1.0], [3.0], [10.0], [100.0]]), np.array([0, 0, 1, -1]))
    assert values.ravel().tolist() == [-1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"perturbation_key": "x"}, KeyError, "no column 'x'"),
        ({"batch_key": "x"}, KeyError, "no column 'x'"),
        ({"guide_key": "x"}, KeyError, "no column 'x'"),
        ({"use_rep": "x"}, KeyError, "`use_rep` names 'x'"),
        ({"control": "NT"}, ValueError, r"0 cell\(s\) of the control 'NT'"),
        ({"groups": ["Z"]}, ValueError, "'Z' that is no label"),
        ({"groups": ["A"], "min_cells": 9}, ValueError, r"fewer than 9 cells and cannot be tested: 'A' \(8\)"),
        ({"min_cells": 1}, ValueError, "`min_cells` must be at least 2"),
        ({"n_components": 0}, ValueError, "`n_components` must be at least 1"),
    ],
)
def test_bad_input_is_explained(adata, kwargs, error, message):
    with pytest.raises(error, match=message):
        read(adata, **kwargs)


def test_cells_that_are_all_the_same_have_no_components(adata):
    adata.X = np.ones((40, 12), dtype=np.float32)
    with pytest.raises(ValueError, match="no principal components"):
        read(adata)
