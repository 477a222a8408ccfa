from __future__ import annotations

import importlib.util

import anndata as ad
import numpy as np
import pytest
from anndata.io import sparse_dataset, write_elem
from mudata import MuData
from scipy import sparse

import scpi
from scpi._screen._blocks import row_blocks
from scpi._screen._matrix import (
    as_dense,
    as_matrix,
    dense_rows,
    is_stored,
    means,
    stack_rows,
    stored_values,
    sums,
)

h5py = pytest.importorskip("h5py")

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(RNG.gamma(1.0, 2.0, (1, 24)), (60, 24)).astype(np.float32)
COUNTS[:20, :3] *= 4


def duplicated(dense):
    """A legal CSR matrix in which the indices are not sorted and an entry stands twice."""
    matrix = sparse.csr_matrix(dense)
    data = np.concatenate([matrix.data - 1, np.ones_like(matrix.data)])
    rows = np.tile(np.repeat(np.arange(len(dense)), np.diff(matrix.indptr)), 2)
    columns = np.tile(matrix.indices, 2)
    order = np.lexsort((-columns, rows))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(dense)))])
    return sparse.csr_matrix((data[order], columns[order], indptr), shape=dense.shape)


def view(make):
    def made(dense, folder):
        stacked = ad.AnnData(make(np.concatenate([dense, dense])))
        return stacked[np.arange(len(dense))].X

    return made


def mapped(dense, folder):
    np.save(folder / "x.npy", dense)
    return np.load(folder / "x.npy", mmap_mode="r")


def stored(make, read=lambda group: sparse_dataset(group)):
    def made(dense, folder):
        file = h5py.File(folder / "x.h5", "w")
        write_elem(file, "x", make(dense))
        return read(file["x"])

    return made


def in_dask(make):
    def made(dense, folder):
        array = pytest.importorskip("dask.array").from_array(dense, chunks=(17, dense.shape[1]))
        return array.map_blocks(make) if make is not np.asarray else array

    return made


KINDS = {
    "dense": lambda dense, folder: dense.copy(),
    "fortran": lambda dense, folder: np.asfortranarray(dense),
    "integers": lambda dense, folder: dense.astype(np.int64),
    "big-endian": lambda dense, folder: dense.astype(">f4"),
    "mapped": mapped,
    "csr": lambda dense, folder: sparse.csr_matrix(dense),
    "csc": lambda dense, folder: sparse.csc_matrix(dense),
    "coo": lambda dense, folder: sparse.coo_matrix(dense),
    "csr_array": lambda dense, folder: sparse.csr_array(dense),
    "csc_array": lambda dense, folder: sparse.csc_array(dense),
    "duplicates": lambda dense, folder: duplicated(dense),
    "view of dense": view(np.asarray),
    "view of csr": view(sparse.csr_matrix),
    "view of csc": view(sparse.csc_matrix),
    "view of csr_array": view(sparse.csr_array),
    "dense in a file": stored(np.asarray, read=lambda dataset: dataset),
    "csr in a file": stored(sparse.csr_matrix),
    "csc in a file": stored(sparse.csc_matrix),
    "dask": in_dask(np.asarray),
    "dask of csr": in_dask(sparse.csr_matrix),
}
# What an AnnData takes as its X as it is
HELD = [kind for kind in KINDS if kind not in ("coo", "big-endian")]


@pytest.fixture(params=KINDS)
def given(request, tmp_path):
    return KINDS[request.param](COUNTS, tmp_path)


def test_every_kind_is_read(given):
    before = given.data.copy() if sparse.issparse(given) else None
    matrix = as_matrix(given)
    assert type(matrix) in (np.ndarray, sparse.csr_matrix)
    assert matrix.dtype.isnative
    np.testing.assert_array_equal(as_dense(matrix), COUNTS)
    if sparse.issparse(matrix):
        assert matrix.has_canonical_format
    if before is not None:
        np.testing.assert_array_equal(given.data, before)
    np.testing.assert_allclose(sums(matrix, 0), COUNTS.sum(0))
    np.testing.assert_allclose(sums(matrix, 1), COUNTS.sum(1))
    np.testing.assert_allclose(means(matrix), COUNTS.mean(0), rtol=1e-6)
    np.testing.assert_array_equal(dense_rows(matrix, [3, 1]), COUNTS[[3, 1]])
    assert np.isin(stored_values(matrix), COUNTS).all()


def test_half_precision_is_read_in_single_precision():
    # SciPy has no sparse matrices of half precision
    found = as_matrix(COUNTS.astype(np.float16))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, COUNTS)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("axis", [0, 1])
def test_sums_of_single_precision_are_taken_in_double_precision(convert, axis):
    values = np.full((3, 3), 1.0, dtype=np.float32)
    values[0], values[:, 0] = 2**24, 2**24  # the largest number to which single precision can add one
    expected = values.astype(np.float64)
    np.testing.assert_array_equal(sums(convert(values), axis), expected.sum(axis))
    np.testing.assert_array_equal(means(convert(values), axis), expected.mean(axis))


def test_every_kind_is_read_by_blocks(given):
    blocks = list(row_blocks(given, 25))
    assert [(rows.start, rows.stop) for rows, _ in blocks] == [(0, 25), (25, 50), (50, 60)]
    for rows, block in blocks:
        assert type(block) in (np.ndarray, sparse.csr_matrix)
        np.testing.assert_array_equal(as_dense(block), COUNTS[rows])


@pytest.mark.parametrize("matrix", [COUNTS, sparse.csr_matrix(COUNTS)])
def test_what_has_the_right_form_is_not_copied(matrix):
    assert as_matrix(matrix) is matrix
    assert not is_stored(matrix)


@pytest.mark.parametrize("kind", ["csr in a file", "dense in a file", "dask", "dask of csr"])
def test_what_is_not_in_memory_is_known(kind, tmp_path):
    assert is_stored(KINDS[kind](COUNTS, tmp_path))


def test_nothing_is_named():
    with pytest.raises(ValueError, match=r"`adata.X` is empty: name the layer to use with `layer=`"):
        as_matrix(None, name="adata.X")


# --- every kind gives the numbers of the dense array


def annotated(x):
    adata = ad.AnnData(np.zeros(COUNTS.shape, dtype=np.float32))
    adata.obs["group"] = ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    adata.obs["sample"] = [f"s{i % 4}" for i in range(60)]
    adata.varm["gene_sets"] = np.eye(24, 3, dtype=bool) | (np.arange(24)[:, None] % 3 == np.arange(3))
    adata.layers["given"] = x
    return adata


def ranked(method):
    def numbers(adata):
        options = {"sample_key": "sample", "min_cells": 1} if method in ("edger", "deseq2") else {}
        options |= {"n_permutations": 4} if method == "zinb" else {}
        scpi.de.rank_genes(adata, "group", method=method, reference="c", layer="given", pts=True, **options)
        found = adata.uns["rank_genes_groups"]
        return [found["scores"]["a"], found["logfoldchanges"]["b"], found["pts"].to_numpy()]

    return numbers


def of_limma(**options):
    def numbers(adata):
        scpi.de.limma(adata, "group", reference="c", layer="given", filter_genes=False, **options)
        return [adata.uns["limma"]["scores"]["a"], adata.uns["limma"]["logfoldchanges"]["b"]]

    return numbers


def summed(adata):
    samples = scpi.de.pseudobulk(adata, sample_key="sample", groupby="group", layer="given", min_cells=1)
    return [as_dense(samples.X)]


def by_gradients(adata):
    scpi.tl.rank_genes_gradients(adata, "group", layer="given", layer_added="evidence")
    found = adata.uns["rank_genes_gradients"]
    return [found["scores"]["a"], found["logfoldchanges"]["b"], as_dense(adata.layers["evidence"])]


def activity(adata):
    scpi.tl.pathway_activity(adata, layer="given")
    return [adata.obsm["pathway_activity"]]


def thinned(adata):
    scpi.de.thin_counts(adata, layer="given", overdispersion=0.0, rng=0)
    train, test = (as_dense(adata.layers[f"thinned_{part}"]) for part in ("train", "test"))
    return [train + test, np.sign(train.sum(0))]


def moments(adata):
    found = scpi.de.group_moments(adata.layers["given"], np.repeat([0, 1, 2], 20))
    return [found.mean, found.variance, *scpi.de.log_means(adata.layers["given"], np.repeat([0, 1, 2], 20))]


def permuted(adata):
    scpi.tl.rank_genes_permutation(adata, "group", layer="given", n_repeats=1)
    return [adata.uns["rank_genes_permutation"]["scores"]["a"]]


FUNCTIONS = {
    **{
        method: ranked(method)
        for method in ("wilcoxon", "t-test", "t-test_overestim_var", "logistic", "poisson", "zinb", "edger")
    },
    "limma of samples": of_limma(sample_key="sample", min_cells=1),
    "limma of rows": of_limma(),
    "pseudobulk": summed,
    "gradients": by_gradients,
    "activity": activity,
    "thin": thinned,
    "moments": moments,
    "permutation": permuted,
}


@pytest.mark.filterwarnings("ignore:Every row counts as a sample")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_kind_gives_the_numbers_of_the_dense_array(function, tmp_path):
    expected = FUNCTIONS[function](annotated(COUNTS.copy()))
    for number, kind in enumerate(HELD):
        (tmp_path / str(number)).mkdir()
        if kind.startswith("dask") and importlib.util.find_spec("dask") is None:
            continue
        x = KINDS[kind](COUNTS, tmp_path / str(number))
        for found, value in zip(FUNCTIONS[function](annotated(x)), expected, strict=True):
            np.testing.assert_allclose(found, value, rtol=2e-4, atol=1e-5, err_msg=kind)


@pytest.mark.filterwarnings("ignore:Trying to modify attribute")
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.parametrize("copy", [False, True])
def test_views_of_log_normalised_data_are_ranked(make, copy):
    logs = np.log1p(COUNTS)
    adata = ad.AnnData(make(logs), layers={"logs": make(logs)})
    adata.obs["group"] = ["a", "b", "c"] * 20
    rows, genes = adata.obs["group"] != "c", np.arange(10)
    expected = adata[rows, genes].copy()
    scpi.de.rank_genes(expected, "group")
    for layer in (None, "logs"):
        view_of = adata[rows, genes]
        result = scpi.de.rank_genes(view_of, "group", layer=layer, copy=copy)
        found = (result if copy else view_of).uns["rank_genes_groups"]
        np.testing.assert_array_equal(found["scores"]["a"], expected.uns["rank_genes_groups"]["scores"]["a"])


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_a_backed_file_is_read(make, tmp_path):
    adata = annotated(np.zeros_like(COUNTS))
    adata.X = make(COUNTS)
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    samples = scpi.de.pseudobulk(backed, sample_key="sample", min_cells=1)
    np.testing.assert_array_equal(as_dense(samples.X)[0], COUNTS[::4].sum(0))
    for run in (
        lambda data: scpi.de.limma(data, "group", reference="c", sample_key="sample", min_cells=1, filter_genes=False),
        lambda data: scpi.de.rank_genes(data, "group"),
        lambda data: scpi.tl.rank_genes_gradients(data, "group"),
        lambda data: scpi.tl.pathway_activity(data),
    ):
        run(backed)
        run(adata)
    for key, field in (("limma", "a"), ("rank_genes_groups", "a"), ("rank_genes_gradients", "a")):
        np.testing.assert_allclose(backed.uns[key]["scores"][field], adata.uns[key]["scores"][field], rtol=1e-5)
    np.testing.assert_allclose(backed.obsm["pathway_activity"], adata.obsm["pathway_activity"])


@pytest.mark.filterwarnings("ignore:Trying to modify attribute")
def test_a_multimodal_view_is_ranked():
    adata = annotated(sparse.csr_matrix(COUNTS))
    mdata = MuData({"rna": adata})[:40]
    scpi.de.rank_genes(mdata, "group", mod="rna", layer="given")
    assert "rank_genes_groups" in mdata["rna"].uns


def test_blocks_of_rows_are_one_matrix():
    blocks = [np.full((2, 3), i, dtype=np.float32) for i in range(4)]
    found = stack_rows(iter(blocks), 8)
    np.testing.assert_array_equal(found, np.concatenate(blocks))
    assert found.dtype == np.float32
    assert stack_rows(iter([]), 0).size == 0
