"""The snippet in the README does what it says."""

from __future__ import annotations

import re
from functools import partial, partialmethod

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import scanpy as sc
from anndata import AnnData

import scpi


def snippets(project):
    text = (project / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_differential_expression_runs(project, test_data, monkeypatch):
    # The folder of the data is a mirror of the downloads
    monkeypatch.setattr(scpi.settings, "datasetdir", test_data("kang_muscat.h5ad").parent)
    variables = {"scpi": scpi}
    exec(compile(snippets(project)[1], "README.md", "exec"), variables)
    plt.close("all")
    counts = variables["counts"]
    best = scpi.get.de_df(counts, key="limma").groupby("group", observed=True).head(20)
    assert best["gene"].eq("ISG15").sum() == counts.obs["cell_type"].nunique()
    assert "CD14+ Monocytes" in counts.uns["rank_genes_groups"]["names"].dtype.names


def test_the_model_runs(project, monkeypatch):
    snippet = snippets(project)[0]
    # What the calls accept is tested here, not what the model learns.
    monkeypatch.setattr(scpi.model.SENAVAE, "train", partialmethod(scpi.model.SENAVAE.train, max_epochs=1))
    variables = {}
    exec(compile(snippet, "README.md", "exec"), variables)
    plt.close("all")

    adata, predicted = variables["adata"], variables["predicted"]
    assert isinstance(predicted, AnnData)
    assert list(predicted.var_names) == list(adata.var_names)
    assert predicted.n_obs > 0
    assert set(predicted.obs["perturbation"]) == {"CSK+FTL"}
    assert "causal_graph" in adata.uns
    assert adata.obsm["pathway_activity"].shape[0] == adata.n_obs


def test_a_cell_type_is_predicted(project, test_data, monkeypatch):
    counts = sc.read_h5ad(test_data("kang_muscat.h5ad"))[:, ::8].copy()
    counts = counts[counts.obs["cell_type"].isin(["B cells", "CD14+ Monocytes"])].copy()
    short = partialmethod(scpi.model.MultiTaskAE.train, max_epochs=1, enable_progress_bar=False)
    monkeypatch.setattr(scpi.model.MultiTaskAE, "train", short)
    monkeypatch.setattr(scpi.benchmark, "evaluate", partial(scpi.benchmark.evaluate, metrics=["pearson"], seeds=[0]))
    variables = {"ad": ad, "counts": counts, "np": np, "sc": sc, "scpi": scpi}
    exec(compile(snippets(project)[2], "README.md", "exec"), variables)
    plt.close("all")
    table = variables["table"].set_index("model")
    assert set(table["split"]) == set(counts.obs["cell_type"])
    assert table.loc["no network", "pearson"].mean() > 0.6
    # What differs between predicted cells and controls is a part of the genes
    ranked = scpi.get.de_df(variables["cells"])
    assert 0 < (ranked["pval_adj"] < 0.05).sum() < len(ranked) / 2


def test_gene_programs_are_named(project, test_data, monkeypatch):
    counts = sc.read_h5ad(test_data("kang_muscat.h5ad"))[::3].copy()
    monkeypatch.setattr(scpi.model.GeneProgramAE, "train", partialmethod(scpi.model.GeneProgramAE.train, max_epochs=2))
    monkeypatch.setattr(scpi.settings, "datasetdir", test_data("hallmark_human_v7.0.gmt").parent)
    exec(compile(snippets(project)[3], "README.md", "exec"), {"counts": counts, "scpi": scpi})
    plt.close("all")
    assert counts.varm["saliency"].shape == (counts.n_vars, 20)
    assert len(scpi.get.unit_annotation(counts)) > 0
