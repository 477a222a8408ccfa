"""Data that are not in memory give the numbers of the same data in memory, and are never held whole."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi._screen import _blocks
from scpi._screen._matrix import as_dense, is_stored

RNG = np.random.default_rng(0)
N_CELLS, N_GENES = 150, 30
RATE = RNG.gamma(1.0, 1.0, (1, N_GENES)) * RNG.gamma(3.0, 0.4, (N_CELLS, 1))
COUNTS = sparse.csr_matrix(RNG.poisson(RATE).astype(np.float32))
MAKE = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "array": lambda matrix: matrix.toarray()}


def cells(x):
    adata = ad.AnnData(x)
    adata.obs["group"] = pd.Categorical(np.repeat(["a", "b", "c"], N_CELLS // 3))
    adata.obs["sample"] = [f"s{i % 4}" for i in range(N_CELLS)]
    adata.obs_names = [f"cell{i}" for i in range(N_CELLS)]
    adata.var_names = [f"g{i}" for i in range(N_GENES)]
    return adata


def backed(adata, folder):
    adata.write_h5ad(folder / "a.h5ad")
    return ad.read_h5ad(folder / "a.h5ad", backed="r")


def lazy(adata, folder):
    pytest.importorskip("dask")
    pytest.importorskip("xarray")
    adata.write_zarr(folder / "a.zarr")
    return ad.experimental.read_lazy(folder / "a.zarr")


def dask(adata, folder):
    array = pytest.importorskip("dask.array").from_array(as_dense(adata.X), chunks=(40, N_GENES))
    adata.X = array.map_blocks(type(adata.X)) if sparse.issparse(adata.X) else array
    return adata


KINDS = {"backed": backed, "lazy": lazy, "dask": dask}


@pytest.fixture(params=[f"{kind} {form}" for kind in KINDS for form in MAKE])
def given(request, tmp_path, monkeypatch):
    """Counts that are not in memory, the same in memory, and a watch that none of them is loaded."""
    kind, form = request.param.split()
    monkeypatch.setattr(_blocks, "_BLOCK", 400)
    stored = KINDS[kind](cells(MAKE[form](COUNTS)), tmp_path)
    assert is_stored(stored.X)
    read = _blocks.as_matrix

    def watched(values, **options):
        # A lazy file of few cells is a single chunk
        assert kind == "lazy" or not is_stored(values) or values.shape != (N_CELLS, N_GENES)
        return read(values, **options)

    monkeypatch.setattr("scpi._view.as_matrix", watched)
    monkeypatch.setattr("scpi._screen._checks.as_matrix", watched)
    return stored, cells(MAKE[form](COUNTS))


@pytest.mark.parametrize("method", ["wilcoxon", "t-test", "t-test_overestim_var", "poisson"])
@pytest.mark.parametrize("reference", ["rest", "b"])
def test_rankings_are_those_in_memory(given, method, reference):
    for adata in given:
        scpi.de.rank_genes(adata, "group", method=method, reference=reference, pts=True)
    found, expected = (adata.uns["rank_genes_groups"] for adata in given)
    for key in ("names", "scores", "logfoldchanges", "log10_pvals", "pvals_adj", "effect", "ave_expr"):
        for group in expected["names"].dtype.names:
            if sparse.issparse(given[1].X):
                np.testing.assert_array_equal(found[key][group], expected[key][group])
            elif key != "names":
                np.testing.assert_allclose(found[key][group], expected[key][group], rtol=1e-6, atol=1e-12)
    pd.testing.assert_frame_equal(found["pts"], expected["pts"])


def test_sums_of_samples_are_those_in_memory(given):
    found, expected = (scpi.de.pseudobulk(adata, sample_key="sample", groupby="group", min_cells=1) for adata in given)
    np.testing.assert_array_equal(as_dense(found.X), as_dense(expected.X))
    pd.testing.assert_frame_equal(found.obs, expected.obs, check_names=False)


@pytest.mark.parametrize("overdispersion", [0.0, "estimate"])
def test_thinned_counts_are_those_in_memory(given, overdispersion, tmp_path):
    stored, adata = given
    scpi.de.thin_counts(adata, overdispersion=overdispersion, rng=0)
    scpi.de.thin_counts(stored, overdispersion=overdispersion, rng=0, out=tmp_path / "thinned.h5ad")
    found = ad.read_h5ad(tmp_path / "thinned.h5ad")
    for part in ("thinned_train", "thinned_test"):
        np.testing.assert_array_equal(as_dense(found.layers[part]), as_dense(adata.layers[part]))
    np.testing.assert_array_equal(found.var["thinned_overdispersion"], adata.var["thinned_overdispersion"])
    assert found.uns["thinned"]["params"] == adata.uns["thinned"]["params"]
    assert "thinned" not in stored.uns
    pd.testing.assert_frame_equal(found.obs.astype(str), adata.obs.astype(str))


def test_log_normalised_values_and_arrays_agree(given):
    stored, adata = given
    codes = adata.obs["group"].cat.codes.to_numpy()
    found, expected = (scpi.de.group_moments(x.X, codes) for x in (stored, adata))
    np.testing.assert_allclose(found.variance, expected.variance, rtol=1e-11)
    overdispersion = [scpi.de.estimate_overdispersion(x.X, rng=0) for x in (stored, adata)]
    np.testing.assert_array_equal(*overdispersion)


def test_bad_values_in_a_late_block_are_an_error_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks, "_BLOCK", 400)
    x = COUNTS.copy()
    x.data[-1] = np.nan
    stored = backed(cells(x), tmp_path)
    with pytest.raises(ValueError, match="`adata.X` must be finite numbers"):
        scpi.de.rank_genes(stored, "group")
    with pytest.raises(ValueError, match="`adata.X` must be counts, but 1 of .* values are missing"):
        scpi.de.thin_counts(stored, overdispersion=0, out=tmp_path / "out.h5ad")
    assert list(stored.uns) == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5ad"]


def test_a_copy_and_a_file_are_not_both_given(tmp_path):
    with pytest.raises(ValueError, match="omit one of them"):
        scpi.de.thin_counts(cells(COUNTS), out=tmp_path / "a.h5ad", copy=True)
