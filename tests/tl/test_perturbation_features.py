from __future__ import annotations

import warnings

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest

import scpi

SETS = {"one": ["KLF1", "JUN"], "two": ["JUN", "FOS", "MYC"]}


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    labels = ["control"] * 30 + ["KLF1", "JUN", "FOS", "JUN+FOS", "X9"] * 2
    adata = ad.AnnData(rng.gamma(1.0, size=(40, 4)).astype(np.float32), obs={"perturbation": labels})
    adata.obs_names = [f"c{i}" for i in range(40)]
    adata.var_names = ["JUN", "FOS", "ACTB", "GAPDH"]
    return adata


def quietly(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return scpi.tl.perturbation_features(*args, **kwargs)


def values(adata, source):
    found = adata.uns["perturbation_features"]["sources"][source]["values"]
    return found.toarray() if hasattr(found, "toarray") else np.asarray(found)


def test_several_sources_and_what_has_no_features(adata):
    embedding = pd.DataFrame([[1.0, 0], [0, 1], [1, 1]], index=["JUN", "FOS", "MYC"])
    with pytest.warns(
        UserWarning, match=r"1 of 5 perturbations have no features in 'sets', 'emb', 'coexpression'.*'X9'"
    ):
        assert (
            scpi.tl.perturbation_features(
                adata,
                gene_sets={"sets": SETS},
                embeddings={"emb": embedding},
                coexpression=True,
                symbols=False,
                perturbations=["MYC+JUN"],
                min_size=2,
            )
            is None
        )
    found = scpi.get.perturbation_features(adata).set_index("perturbation")
    assert found.index.tolist() == ["FOS", "JUN", "KLF1", "MYC", "X9"]
    assert found["sets"].tolist() == [True, True, True, True, False]
    assert found["emb"].tolist() == [True, True, False, True, False]
    assert found["coexpression"].tolist() == [True, True, False, False, False]
    assert found["n_sources"].tolist() == [3, 3, 1, 2, 0]
    stored = adata.uns["perturbation_features"]
    assert stored["sources"]["sets"]["features"].tolist() == ["one", "two"]
    assert np.allclose(np.square(values(adata, "sets")).sum(1), [1, 1, 1, 1, 0])


def test_sources_alone_have_the_name_of_their_kind(adata, tmp_path):
    pytest.importorskip("rdkit")
    gmt = tmp_path / "sets.gmt"
    gmt.write_text("".join(f"{name}\t\t" + "\t".join(genes) + "\n" for name, genes in SETS.items()))
    edges = tmp_path / "edges.csv"
    pd.DataFrame({"a": ["JUN"], "b": ["FOS"]}).to_csv(edges, index=False)
    quietly(
        adata,
        gene_sets=gmt,
        edges=edges,
        screens=pd.DataFrame(np.eye(3), index=["JUN", "KLF1", "FOS"]),
        smiles={"JUN": "CCO", "FOS": "CCC"},
        min_size=1,
    )
    assert list(adata.uns["perturbation_features"]["sources"]) == ["gene_sets", "edges", "screens", "smiles", "symbols"]
    quietly(adata, gene_sets={"GO": gmt, "own": SETS}, symbols=False, min_size=1)
    np.testing.assert_array_equal(values(adata, "GO"), values(adata, "own"))
    quietly(adata, gene_sets=SETS, symbols=False, min_size=1)
    assert list(adata.uns["perturbation_features"]["sources"]) == ["gene_sets"]


def test_stored_gene_sets_have_measured_genes_alone(adata):
    scpi.tl.gene_sets(adata, SETS, min_size=1)
    quietly(adata, gene_sets="gene_sets", symbols=False, min_size=1)
    found = scpi.get.perturbation_features(adata).set_index("perturbation")["gene_sets"]
    assert found.to_dict() == {"FOS": True, "JUN": True, "KLF1": False, "X9": False}


def test_ids_are_translated(adata):
    sets = {"one": ["ENSG00000000001", "ENSG00000000002"]}
    with pytest.raises(ValueError, match="id_map"):
        quietly(adata, gene_sets=sets, symbols=False, min_size=1)
    quietly(adata, gene_sets=sets, symbols=False, min_size=1, id_map={"JUN": "ENSG00000000001"})
    assert scpi.get.perturbation_features(adata).set_index("perturbation")["gene_sets"]["JUN"]


def test_another_screen_of_cells(adata):
    other = adata.copy()
    other.obs["perturbation"] = other.obs["perturbation"].replace({"KLF1": "MYC"})
    quietly(adata, screens={"other": other}, symbols=False)
    found = scpi.get.perturbation_features(adata).set_index("perturbation")["other"]
    assert found.to_dict() == {"FOS": True, "JUN": True, "KLF1": False, "X9": True}


def test_structures_in_a_column(adata):
    pytest.importorskip("rdkit")
    adata.obs["smiles"] = adata.obs["perturbation"].map({"JUN": "CCO", "FOS": "CCC", "KLF1": "CC"})
    quietly(adata, smiles="smiles", symbols=False)
    assert scpi.get.perturbation_features(adata)["smiles"].tolist() == [True, True, True, False]
    adata.obs["smiles"] = [f"{'C' * (i % 3 + 1)}" for i in range(40)]
    with pytest.raises(ValueError, match=r"`adata.obs\['smiles'\]` has several structures for 'FOS', 'JUN'"):
        quietly(adata, smiles="smiles", symbols=False)
    with pytest.raises(KeyError, match="`smiles` names 'none'"):
        quietly(adata, smiles="none", symbols=False)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_features_survive_files(adata, tmp_path, suffix):
    embedding = pd.DataFrame([[1.0, 0], [0, 1]], index=["JUN", "FOS"])
    quietly(adata, gene_sets=SETS, embeddings=embedding, min_size=1)
    before = scpi.get.perturbation_features(adata)
    getattr(adata, f"write_{suffix}")(tmp_path / f"a.{suffix}")
    again = getattr(ad, f"read_{suffix}")(tmp_path / f"a.{suffix}")
    pd.testing.assert_frame_equal(scpi.get.perturbation_features(again), before)
    np.testing.assert_array_equal(values(again, "gene_sets"), values(adata, "gene_sets"))


def test_a_copy_a_name_and_a_modality(adata):
    copied = quietly(adata, key_added="mine", copy=True)
    assert "mine" in copied.uns
    assert not adata.uns
    data = mudata.MuData({"rna": adata})
    quietly(data, mod="rna")
    assert len(scpi.get.perturbation_features(data, mod="rna")) == 4


def test_bad_input(adata):
    with pytest.raises(ValueError, match="There is no source of features"):
        scpi.tl.perturbation_features(adata, symbols=False)
    with pytest.raises(ValueError, match=r"unique names.*'symbols'"):
        quietly(adata, gene_sets={"symbols": SETS}, min_size=1)
    with pytest.raises(ValueError, match=r"without '/'.*'a/b'"):
        quietly(adata, gene_sets={"a/b": SETS}, min_size=1)
    with pytest.raises(KeyError, match="no column 'condition'"):
        scpi.tl.perturbation_features(adata, perturbation_key="condition")
    assert not adata.uns
    with pytest.raises(KeyError, match="scpi.tl.perturbation_features"):
        scpi.get.perturbation_features(adata)
