"""Excerpts of published data: conversion of originals, which are made up in `originals`, and real files where at hand."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi.datasets import _examples
from scpi.datasets._examples import EXAMPLES

pytestmark = pytest.mark.smoke("rdata")

ORIGINALS = Path(__file__).parent / "originals"


def paul():
    """The content of a small file of the structure of the original of `paul_2015`."""
    adata = ad.AnnData(
        np.array([[2, 0], [0, 1], [3, 4]], dtype=np.float32),
        obs=pd.DataFrame({"paul15_clusters": pd.Categorical(["7MEP", "15Mo", "10GMP"])}, index=["0", "1", "2"]),
        var=pd.DataFrame(index=["Gata1", "Mpo"]),
        uns={"iroot": 2},
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "paul15.h5ad"
        adata.write_h5ad(path)
        return gzip.compress(path.read_bytes())


@pytest.fixture
def originals(home, monkeypatch):
    """The home, with originals of the real structure and with their hashes."""
    examples = {}
    for name, example in EXAMPLES.items():
        files = []
        for file in example.originals:
            content = paul() if name == "paul_2015" else (ORIGINALS / file.path).read_bytes()
            (home.folder / file.path).write_bytes(content)
            files.append(replace(file, known_hash=f"sha256:{hashlib.sha256(content).hexdigest()}"))
        examples[name] = replace(example, originals=tuple(files))
    monkeypatch.setattr(_examples, "EXAMPLES", examples)
    return home


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_downloaded_and_converted_once(originals, name):
    load = getattr(scpi.datasets, name)
    adata = load(base_url=originals.url)
    assert [path.rpartition("/")[2] for path in originals.requests] == [file.path for file in EXAMPLES[name].originals]
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.float32
    assert adata.var_names.is_unique
    assert adata.uns["source"].startswith("https://raw.githubusercontent.com/")

    # The second time, neither the server nor the originals are needed
    originals.stop()
    for file in EXAMPLES[name].originals:
        (scpi.settings.datasetdir / file.name).unlink()
    again = load(base_url=originals.url)
    assert (again.X != adata.X).nnz == 0
    pd.testing.assert_frame_equal(again.obs, adata.obs)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_file_of_a_mirror_is_read(home, name, test_data, monkeypatch):
    folder = test_data(EXAMPLES[name].file).parent
    monkeypatch.setattr(scpi.settings, "datasetdir", folder)
    adata = getattr(scpi.datasets, name)()
    assert adata.shape == (EXAMPLES[name].n_cells, EXAMPLES[name].n_genes)
    assert home.requests == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_original_becomes_the_file_of_the_mirror(name, test_data, tmp_path):
    """Where the original is beside the mirror, or cached, all of the converted data are the same."""
    expected = ad.read_h5ad(test_data(EXAMPLES[name].file))
    paths = [test_data(f"originals/{file.name}") for file in EXAMPLES[name].originals]
    for path, file in zip(paths, EXAMPLES[name].originals, strict=True):
        assert f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" == file.known_hash
    importlib.import_module(f"scpi.datasets._{name}")._read(*paths).write_h5ad(tmp_path / "converted.h5ad")
    adata = ad.read_h5ad(tmp_path / "converted.h5ad")
    assert (adata.X != expected.X).nnz == 0
    obs = expected.obs[[*adata.obs]] if name == "kang_2018_unlabelled" else expected.obs
    pd.testing.assert_frame_equal(adata.obs.reset_index(drop=True), obs.reset_index(drop=True))
    # The mirror numbers repeated barcodes of zhao_2021_small in another way
    assert adata.obs_names.is_unique
    names, expected_names = (each.obs_names.str.replace(r"[.-]\d$", "", regex=True) for each in (adata, expected))
    assert (names == expected_names).all()
    pd.testing.assert_frame_equal(adata.var, expected.var, check_categorical=False)
    assert adata.obsm.keys() == expected.obsm.keys()


def test_kang(originals):
    adata = scpi.datasets.kang_2018_small(base_url=originals.url)
    np.testing.assert_array_equal(adata.X.toarray(), [[1, 0, 2], [0, 3, 0]])
    assert adata.var_names.tolist() == ["ISG15", "TXNIP", "ISG20"]
    assert adata.obs_names.tolist() == ["ctrl101_AA-1", "stim107_CC-1"]
    assert adata.obs["perturbation"].tolist() == ["control", "IFNB"]
    assert adata.obs["condition"].tolist() == ["ctrl", "stim"]
    assert adata.obs["cell_type"].tolist() == ["B cells", "CD4 T cells"]
    assert adata.obs["donor"].tolist() == ["101", "107"]


def test_kang_without_types(originals):
    adata = scpi.datasets.kang_2018_unlabelled(base_url=originals.url)
    np.testing.assert_array_equal(adata.X.toarray(), [[1, 0, 0], [2, 0, 0], [0, 7, 1]])
    assert adata.obs_names.tolist() == ["ctrl_TT-1", "ctrl_GG-1", "stim_TT-1"]
    assert adata.obs["perturbation"].tolist() == ["control", "control", "IFNB"]

    # Columns of the file of a mirror that the original does not have
    adata.obs["cell_type_pred"] = "B cells"
    adata.write_h5ad(scpi.settings.datasetdir / EXAMPLES["kang_2018_unlabelled"].file)
    assert list(scpi.datasets.kang_2018_unlabelled().obs) == ["barcode", "condition", "perturbation"]


def test_papalexi(originals):
    adata = scpi.datasets.papalexi_2021_small(base_url=originals.url)
    np.testing.assert_array_equal(adata.X.toarray(), [[0, 1], [2, 0], [0, 4]])
    assert adata.obs["guide"].tolist() == ["STAT1g1", "NTg1", "JAK2g1"]
    assert adata.obs["perturbation"].tolist() == ["STAT1", "control", "JAK2"]
    np.testing.assert_allclose(adata.obs["guide_frac"], [0.9, 0.75, 0.75])
    assert adata.obs["n_guides_ge5"].tolist() == [1, 1, 2]
    np.testing.assert_array_equal(adata.obsm["guide_counts"].toarray(), [[9, 0, 1], [0, 2, 6], [5, 15, 0]])
    assert list(adata.uns["guide_names"]) == ["STAT1g1", "JAK2g1", "NTg1"]


def test_pbmc3k_has_the_counts_behind_normalised_expression(originals):
    adata = scpi.datasets.pbmc3k(base_url=originals.url)
    np.testing.assert_array_equal(adata.X.toarray(), [[3, 1, 0], [0, 0, 7]])
    assert adata.obs["cell_type"].tolist() == ["Naive CD4 T", "B"]
    np.testing.assert_array_equal(adata.obsm["X_umap"], [[0.25, -1], [1, 4]])


def test_paul(originals):
    adata = scpi.datasets.paul_2015(base_url=originals.url)
    np.testing.assert_array_equal(adata.X.toarray(), [[2, 0], [0, 1], [3, 4]])
    assert adata.obs["paul15_clusters"].tolist() == ["7MEP", "15Mo", "10GMP"]
    assert adata.obs["cell_type"].tolist() == ["MEP", "Mo", "GMP"]
    assert adata.uns["iroot"] == 2


def test_srivatsan(originals):
    adata = scpi.datasets.srivatsan_2020_small(base_url=originals.url)
    np.testing.assert_array_equal(adata.X.toarray(), [[1, 0], [0, 6]])
    assert adata.var_names.tolist() == ["NDRG4", "NDRG4-1"]
    assert adata.var["ensembl_id"].tolist() == ["ENSG00000103034.14", "ENSG00000103034.15"]
    assert adata.obs["perturbation"].tolist() == ["control", "dexamethasone"]
    assert adata.obs["dose"].tolist() == [0, 10]
    assert adata.obs["vehicle"].tolist() == [1, 0]


def test_zhao(originals):
    adata = scpi.datasets.zhao_2021_small(base_url=originals.url)
    np.testing.assert_array_equal(adata.X.toarray(), [[1, 0], [2, 5]])
    assert adata.obs_names.tolist() == ["AA", "AA.1"]
    assert adata.obs["perturbation"].tolist() == ["panobinostat", "control"]
    assert adata.obs["treatment_id"].tolist() == [701, 704]
    assert adata.var_names.tolist() == ["SPP1", "FTH1"]
    assert adata.var["ensembl_id"].tolist() == ["ENSG00000118785.13", "ENSG00000167996.15"]
    assert adata.var["gene_length"].tolist() == [7777, 7943]


def test_nothing_is_cached_where_the_original_is_another_file(originals):
    (originals.folder / "example_sce.rda").write_bytes(b"something else")
    with pytest.raises(ValueError, match="not the published one"):
        scpi.datasets.kang_2018_small(base_url=originals.url)
    assert [*scpi.settings.datasetdir.iterdir()] == []


def test_a_damaged_file_in_the_cache_is_named(originals):
    scpi.datasets.kang_2018_small(base_url=originals.url)
    path = scpi.settings.datasetdir / EXAMPLES["kang_2018_small"].file
    shutil.copy(ORIGINALS / "make.R", path)
    with pytest.raises(ValueError, match=r"kang_muscat\.h5ad.* is not a readable h5ad file.*Delete it"):
        scpi.datasets.kang_2018_small()


def test_the_table_names_every_example_and_every_file_once():
    files = [file for example in EXAMPLES.values() for file in example.originals]
    names = [example.file for example in EXAMPLES.values()] + [file.name for file in files]
    assert len(set(names)) == len(names)
    assert set(EXAMPLES) <= set(scpi.datasets.__all__)
    for file in files:
        algorithm, digest = file.known_hash.split(":")
        assert algorithm == "sha256"
        assert len(bytes.fromhex(digest)) == 32
        commit = file.home.removeprefix("https://raw.githubusercontent.com/").split("/")[2]
        assert len(bytes.fromhex(commit)) == 20
