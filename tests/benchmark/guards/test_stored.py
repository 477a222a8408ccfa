"""Entries that were computed with the test cells, by all settings of scanpy that say so."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc

from scpi.benchmark import audit_leaks
from scpi.benchmark._guards._stored import stored_entries

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("flavor", ["seurat", "cell_ranger"])
def test_selections_of_genes(adata, split, flavor):
    sc.pp.highly_variable_genes(adata, n_top_genes=100, flavor=flavor)
    found = audit_leaks(adata, split)
    assert found[["kind", "n", "entry", "severity"]].to_numpy().tolist() == [
        ["genes selected with test cells", 100, "var['highly_variable']", "medium"]
    ]
    assert audit_leaks(adata, split, reads=())["severity"].item() == "low"
    # Where nothing else is left, every model reads the selection
    assert audit_leaks(adata[:, adata.var["highly_variable"]], split, reads=())["severity"].item() == "medium"


def test_means_of_counts(adata, split):
    sc.pp.highly_variable_genes(adata, n_top_genes=100)
    adata.var["means"] = adata.layers["counts"].toarray().mean(0)
    assert len(audit_leaks(adata, split)) == 1
    adata.var["means"] *= 1.01
    assert audit_leaks(adata, split).empty


def test_means_that_test_cells_do_not_change_say_nothing(adata, split):
    adata.X = np.tile(adata.X[:1].toarray(), (adata.n_obs, 1))
    sc.pp.highly_variable_genes(adata, n_top_genes=100)
    assert "genes selected with test cells" not in set(audit_leaks(adata, split)["kind"])


def test_a_scaled_layer_matters_if_it_is_compared_or_read(adata, split):
    adata.layers["z"] = sc.pp.scale(adata.X.toarray())
    severities = [
        audit_leaks(adata, split, **options)["severity"].item()
        for options in ({"reads": ()}, {"reads": ["z"]}, {"layer": "z", "reads": ()})
    ]
    assert severities == ["low", "high", "medium"]


def test_entries_that_are_not_numbers_are_passed_over(adata, split):
    adata.obsm["names"] = adata.obs[["perturbation"]]
    adata.obsm["one"] = adata.X[:, :1].toarray()
    assert stored_entries.__doc__
    assert audit_leaks(adata, split).empty
