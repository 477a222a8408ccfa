from __future__ import annotations

import hashlib
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

import scpi
from scpi.datasets import _gene_sets

pytestmark = pytest.mark.smoke("pooch")

GMT = "INTERFERON\tsource\tSTAT1\tIRF1\nGLYCOLYSIS\tsource\tHK1\n"


@pytest.fixture
def published(home, monkeypatch):
    file = _gene_sets.COLLECTIONS["reactome", "mouse"]
    (home.folder / file.path).write_text(GMT, encoding="utf-8")
    digest = hashlib.sha256(GMT.encode()).hexdigest()
    monkeypatch.setitem(_gene_sets.COLLECTIONS, ("reactome", "mouse"), replace(file, known_hash=f"sha256:{digest}"))
    return home


def test_a_collection_is_downloaded_once(published):
    sets = scpi.datasets.gene_sets("reactome", organism="mouse", base_url=published.url)
    assert sets == {"INTERFERON": ["STAT1", "IRF1"], "GLYCOLYSIS": ["HK1"]}
    assert published.requests == ["/files/ReactomePathways_mouse.gmt"]
    assert (scpi.settings.datasetdir / "reactome_mouse.gmt").is_file()
    published.stop()
    assert scpi.datasets.gene_sets("reactome", organism="mouse") == sets


def test_the_basic_sets_need_no_file_and_no_connection(home):
    sets = scpi.datasets.gene_sets()
    assert home.requests == []
    assert not scpi.settings.datasetdir.exists()
    assert len(sets) == 19
    assert all(15 <= len(genes) <= 40 for genes in sets.values())
    assert all(gene == gene.upper() for genes in sets.values() for gene in genes)
    assert {"HK1", "GAPDH", "LDHA"} <= set(sets["glycolysis"])
    assert {"CD3E", "CD8A"} <= set(sets["T cells"])
    assert not set(sets["T cells"]) & (set(sets["B cells"]) | set(sets["monocytes"]))


def test_the_sets_are_matched_to_genes():
    sets = scpi.datasets.gene_sets("basic")
    adata = ad.AnnData(np.ones((2, 15)))
    adata.var_names = sets["mitochondrially encoded"]
    scpi.tl.gene_sets(adata, sets)
    assert adata.uns["gene_sets"]["names"].tolist() == ["mitochondrially encoded"]


def test_what_there_is_not():
    with pytest.raises(ValueError, match=r"no collection 'kegg' of gene sets, only 'basic', 'hallmark', 'go_bp'"):
        scpi.datasets.gene_sets("kegg")
    with pytest.raises(ValueError, match=r"'hallmark' has gene sets of 'human', not of 'mouse'"):
        scpi.datasets.gene_sets("hallmark", organism="mouse")
    with pytest.raises(ValueError, match=r"'reactome' has gene sets of 'human', 'mouse', not of 'rat'"):
        scpi.datasets.gene_sets("reactome", organism="rat")


@pytest.mark.parametrize(
    ("name", "organism", "n", "of", "members"),
    [
        ("hallmark", "human", 50, "HALLMARK_INTERFERON_ALPHA_RESPONSE", {"ISG15", "IFIT3"}),
        ("go_bp", "human", 6036, "glycolytic process (GO:0006096)", {"HK1", "PKM"}),
        ("reactome", "human", 2504, "Interferon-alpha/beta-signaling", {"STAT1", "IFIT3"}),
        ("reactome", "mouse", 2504, "Interferon-alpha/beta-signaling", {"Stat1", "Ifit3"}),
    ],
)
def test_the_files_of_a_mirror(name, organism, n, of, members, test_data, monkeypatch):
    path = test_data(_gene_sets.COLLECTIONS[name, organism].name)
    monkeypatch.setattr(scpi.settings, "datasetdir", path.parent)
    sets = scpi.datasets.gene_sets(name, organism=organism)
    assert len(sets) == n
    assert members <= set(sets[of])
