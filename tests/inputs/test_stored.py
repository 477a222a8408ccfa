"""Whatever the names hold, a result is written to files and read as it was; no name of an entry breaks a file."""

from __future__ import annotations

import inspect

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from .compare import differs, leaves
from .functions import N_GENES, Call, data, models, tools

GROUPS = {"a": "a", "b": "b", "c": "CD4/CD8:=c<b>\n"}
ODD = "../=B:é"
NAMES = [f"g{i}/=:" if i % 2 else f"g{i}" for i in range(N_GENES)]
SETS = {"@first/1": NAMES[:8], "second:2": NAMES[8:16]}
OPTIONS = {"de.rank_genes": {"pts": True}, "tl.gene_sets": {"sets": SETS}}
WRITES = {name: tool for name, tool in tools().items() if "key_added" in inspect.signature(tool).parameters}
# What neither trains a network nor a forest
QUICK = {"tl.gene_sets", "tl.pathway_activity", "tl.differential_activity", "tl.predict_perturbation", "MeanDelta"}
QUICK |= {"tl.enrichment", "tl.perturbation_effect", "tl.responders", "tl.guide_agreement"}
QUICK |= {"tl.perturbation_similarity"}


def strange():
    """Data in which groups, perturbations, genes, samples, contexts and gene sets have names that files and sheets read."""
    adata = data()
    adata.obs["group"] = adata.obs["group"].astype(str).map(GROUPS)
    adata.obs["perturbation"] = adata.obs["perturbation"].where(np.arange(adata.n_obs) % 12 != 4, ODD)
    for column in ("sample", "cell_type"):
        adata.obs[column] = "=../" + adata.obs[column] + ":"
    adata.uns["gene_sets"] = {"names": pd.array(["=first/1", "second:2", ".."]).to_numpy(dtype=object)}
    adata.var_names = NAMES
    return adata


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK or name[:3] == "de." else pytest.mark.slow)
        for name in [*tools(), *models()]
    ],
)
def test_what_a_call_leaves_is_read_from_files_as_it_was(name, tmp_path):
    adata = strange()
    call = Call(name, adata)
    options = {"perturbation": [ODD, "A"]} if name in models() else {}
    result = call(**(options | OPTIONS.get(name, {})))
    for i, part in enumerate(part for part in (adata, result) if isinstance(part, ad.AnnData)):
        expected = leaves(part)
        for kind in ("h5ad", "zarr"):
            path = tmp_path / f"{i}.{kind}"
            getattr(part, f"write_{kind}")(path)
            found = leaves(getattr(ad, f"read_{kind}")(path))
            assert set(found) == set(expected), kind
            assert [key for key, value in expected.items() if differs(found[key], value, 0.0)] == [], kind


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("key", ["", "a/b", "..", 3])
def test_a_name_that_no_file_can_hold_is_refused(name, key):
    required = {
        p.name: None
        for p in list(inspect.signature(WRITES[name]).parameters.values())[1:]
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD
    }
    with pytest.raises(ValueError, match="`key_added` must be a name"):
        WRITES[name](data(), **required, key_added=key)
