"""The snippet in the README does what it says."""

from __future__ import annotations

import re
from functools import partialmethod

import matplotlib.pyplot as plt
from anndata import AnnData

import scpi


def test_the_snippet_runs(project, monkeypatch):
    text = (project / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
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
