from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi

SETS = {"interferon": ["STAT1", "JAK2", "IRF1"], "tiny": ["ACTB"], "cycle": ["MKI67", "JAK2"]}


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((2, 5), dtype=np.float32))
    adata.var_names = ["STAT1", "JAK2", "ACTB", "MKI67", "IRF1"]
    return adata


def round_trip(adata, folder, suffix):
    path = folder / f"data.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        return ad.read_h5ad(path)
    adata.write_zarr(path)
    return ad.read_zarr(path)


def test_fields(adata):
    assert scpi.tl.gene_sets(adata, SETS, min_size=2) is None
    membership = adata.varm["gene_sets"]
    assert isinstance(membership, sparse.csr_matrix)
    np.testing.assert_array_equal(membership.toarray(), [[1, 0], [1, 1], [0, 0], [0, 1], [1, 0]])
    stored = adata.uns["gene_sets"]
    assert stored["names"].tolist() == ["interferon", "cycle"]
    assert stored["sizes"].tolist() == [3, 2]
    assert stored["total_sizes"].tolist() == [3, 2]
    assert stored["coverage"]["n_sets_too_small"] == 1
    assert stored["coverage"]["share_of_genes_in_sets"] == pytest.approx(0.8)
    assert stored["params"] == {"min_size": 2, "case": "exact", "mapped": False}


def test_copy_leaves_the_input_alone(adata):
    copied = scpi.tl.gene_sets(adata, SETS, min_size=2, key_added="mine", copy=True)
    assert "mine" in copied.varm
    assert not adata.varm
    assert not adata.uns


@pytest.mark.parametrize(
    ("sets", "kwargs", "error"),
    [
        ({"a": ["ENSG00000141510"]}, {}, ValueError),
        ({"a": ["JAK2"]}, {}, ValueError),
        ("missing.gmt", {}, FileNotFoundError),
        (SETS, {"id_column": "nope"}, KeyError),
        (SETS, {"id_map": "missing.tsv"}, FileNotFoundError),
        (SETS, {"id_map": 3}, TypeError),
        (SETS, {"id_map": pd.DataFrame({"a": ["x"]})}, ValueError),
    ],
)
def test_nothing_is_written_on_failure(adata, sets, kwargs, error):
    with pytest.raises(error):
        scpi.tl.gene_sets(adata, sets, **kwargs)
    assert not adata.varm
    assert not adata.uns


def test_the_name_of_a_collection_is_not_a_file(adata):
    with pytest.raises(
        FileNotFoundError, match=r"no gene set file 'hallmark'\..* `scpi\.datasets\.gene_sets\(\"hallmark\"\)`"
    ):
        scpi.tl.gene_sets(adata, "hallmark")
    with pytest.raises(FileNotFoundError, match=r"no gene set file 'missing\.gmt'\.$"):
        scpi.tl.gene_sets(adata, "missing.gmt")


def test_repeated_names_of_genes(adata):
    adata.var_names = ["STAT1", "JAK2", "ACTB", "MKI67", "JAK2"]
    with pytest.raises(ValueError, match="'JAK2' occur more than once.*var_names_make_unique"):
        scpi.tl.gene_sets(adata, SETS)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_round_trip(adata, tmp_path, suffix):
    scpi.tl.gene_sets(adata, SETS, min_size=2, max_size=100)
    back = round_trip(adata, tmp_path, suffix)
    np.testing.assert_array_equal(back.varm["gene_sets"].toarray(), adata.varm["gene_sets"].toarray())
    assert back.varm["gene_sets"].dtype == bool
    stored = back.uns["gene_sets"]
    assert list(stored["names"]) == ["interferon", "cycle"]
    assert dict(stored["coverage"]) == adata.uns["gene_sets"]["coverage"]
    assert stored["params"]["max_size"] == 100
    frame = scpi.get.gene_sets(back)
    pd.testing.assert_frame_equal(frame, scpi.get.gene_sets(adata))


def test_view_and_id_column(adata):
    adata.var["ensembl"] = ["ENSG00000115415.20", None, "ENSG00000075624", "ENSG00000148773", "ENSG00000125347"]
    sets = {"interferon": ["ENSG00000115415", "ENSG00000125347"]}
    view = adata[:, ["IRF1", "JAK2", "STAT1"]]
    copied = scpi.tl.gene_sets(view, sets, min_size=2, id_column="ensembl", copy=True)
    np.testing.assert_array_equal(copied.varm["gene_sets"].toarray().ravel(), [True, False, True])
    assert copied.uns["gene_sets"]["params"]["id_column"] == "ensembl"
    assert view.is_view
    scpi.tl.gene_sets(view, sets, min_size=2, id_column="ensembl")
    np.testing.assert_array_equal(view.varm["gene_sets"].toarray(), copied.varm["gene_sets"].toarray())
    assert not adata.varm


def test_backed(adata, tmp_path):
    adata.write_h5ad(tmp_path / "data.h5ad")
    backed = ad.read_h5ad(tmp_path / "data.h5ad", backed="r")
    scpi.tl.gene_sets(backed, SETS, min_size=2)
    assert backed.isbacked
    assert scpi.get.gene_sets(backed)["genes"].tolist() == ["STAT1;JAK2;IRF1", "JAK2;MKI67"]


def test_mudata(adata):
    mudata = pytest.importorskip("mudata")
    data = mudata.MuData({"rna": adata, "adt": ad.AnnData(np.ones((2, 1)))})
    copied = scpi.tl.gene_sets(data, SETS, min_size=2, mod="rna", copy=True)
    assert not data.mod["rna"].varm
    assert copied.mod["rna"].uns["gene_sets"]["names"].tolist() == ["interferon", "cycle"]
    scpi.tl.gene_sets(data, SETS, min_size=2, mod="rna")
    assert "gene_sets" in adata.varm
    with pytest.raises(ValueError, match="mod"):
        scpi.tl.gene_sets(data, SETS)


def test_id_map_from_a_table_with_row_names(adata, tmp_path):
    # As write.table of R does it: the header is one field shorter
    path = tmp_path / "map.tsv"
    path.write_text('"ensembl"\t"symbol"\n"1"\t"ENSG00000115415"\t"STAT1"\n"2"\t"ENSG00000096968"\t"JAK2"\n')
    adata.var_names = ["ENSG00000115415", "ENSG00000096968", "c", "d", "e"]
    scpi.tl.gene_sets(adata, SETS, min_size=2, id_map=path)
    assert adata.uns["gene_sets"]["sizes"].tolist() == [2]
    frame = pd.DataFrame({"ensembl": ["ENSG00000115415", "ENSG00000096968"], "symbol": ["STAT1", "JAK2"]})
    scpi.tl.gene_sets(adata, SETS, min_size=2, id_map=frame, key_added="frame")
    assert adata.uns["frame"]["sizes"].tolist() == [2]
    csv = tmp_path / "map.csv"
    frame.to_csv(csv, index=False)
    scpi.tl.gene_sets(adata, SETS, min_size=2, id_map=csv, key_added="csv")
    assert adata.uns["csv"]["sizes"].tolist() == [2]


def test_coverage_is_logged(adata, caplog):
    with caplog.at_level(logging.INFO, logger="scpi"):
        scpi.tl.gene_sets(adata, SETS, min_size=2)
    assert "2 of 3 gene sets kept (1 with fewer than 2 measured genes, 0 with too many); 4 of 5 genes" in caplog.text


@pytest.mark.parametrize(
    ("data", "sets", "kwargs", "n_sets", "n_genes"),
    [
        ("papalexi2021_eccite_299genes.h5ad", "hallmark_human_v7.0.gmt", {"min_size": 3}, 25, 60),
        ("pbmc3k_labelled.h5ad", "hallmark_human_v7.0.gmt", {}, 50, 3220),
        ("pbmc3k_labelled.h5ad", "go_bp_2021_enrichr.gmt", {}, 4778, 9509),
        ("paul15.h5ad", "hallmark_mouse.gmt", {}, 50, 1310),
        ("paul15.h5ad", "reactome_mouse.gmt", {"max_size": 200}, 1063, 2082),
        ("mixology_sc_celseq2_3cl.h5ad", "hallmark_human_v7.0.gmt", {"id_column": "symbol"}, 50, 3595),
    ],
)
def test_real_data(test_data, tmp_path, data, sets, kwargs, n_sets, n_genes):
    adata = ad.read_h5ad(test_data(data))
    path = test_data(sets)
    scpi.tl.gene_sets(adata, path, **kwargs)
    stored = adata.uns["gene_sets"]
    assert stored["coverage"]["n_sets_kept"] == len(stored["names"]) == n_sets
    assert stored["coverage"]["n_genes_in_sets"] == n_genes
    # Each set again, the plain way
    plain = {}
    for line in path.read_text().splitlines():
        name, _, *genes = line.split("\t")
        plain[name] = {gene for gene in genes if gene}
    ids = adata.var_names if "id_column" not in kwargs else adata.var[kwargs["id_column"]]
    columns = adata.varm["gene_sets"].tocsc()
    for column, name in list(enumerate(stored["names"]))[::7]:
        members = ids[columns[:, [column]].toarray().ravel()]
        assert set(members) == set(ids) & plain[name]
        assert stored["total_sizes"][column] == len(plain[name])
        assert stored["sizes"][column] == len(members)
    small = ad.AnnData(var=adata.var, varm={"gene_sets": adata.varm["gene_sets"]}, uns={"gene_sets": stored})
    back = round_trip(small, tmp_path, "h5ad")
    assert (back.varm["gene_sets"] != adata.varm["gene_sets"]).nnz == 0


@pytest.mark.parametrize(
    ("table", "n_genes"), [("ensembl_to_symbol_10x_grch38.tsv.gz", 3595), ("sena_ensembl_genename_mapping.tsv", 3571)]
)
def test_real_ensembl_ids(test_data, table, n_genes):
    adata = ad.read_h5ad(test_data("mixology_sc_celseq2_3cl.h5ad"))
    hallmark = test_data("hallmark_human_v7.0.gmt")
    with pytest.raises(ValueError, match="data has human Ensembl ids, .*; the sets have human gene symbols"):
        scpi.tl.gene_sets(adata, hallmark)
    scpi.tl.gene_sets(adata, hallmark, id_map=test_data(table))
    assert adata.uns["gene_sets"]["coverage"]["n_genes_in_sets"] == n_genes
    by_symbol = scpi.tl.gene_sets(adata, hallmark, id_column="symbol", copy=True)
    # Tables of different years disagree on a few symbols
    differ = (adata.varm["gene_sets"] != by_symbol.varm["gene_sets"]).nnz
    assert differ < 0.05 * by_symbol.varm["gene_sets"].nnz


def test_mouse_data_with_human_sets(test_data, caplog):
    adata = ad.read_h5ad(test_data("paul15.h5ad"))
    hallmark = test_data("hallmark_human_v7.0.gmt")
    scpi.tl.gene_sets(adata, hallmark)
    assert adata.uns["gene_sets"]["params"]["case"] == "upper"
    assert "so upper case is used" in caplog.text
    with pytest.raises(ValueError, match="mouse gene symbols"):
        scpi.tl.gene_sets(adata, hallmark, case="exact")
