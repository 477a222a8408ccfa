"""Every function that reads results: with names that are odd, and where there is nothing to read."""

from __future__ import annotations

import inspect
from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import scpi

from .compare import differs, leaves
from .functions import Call, data
from .test_inputs import is_clear
from .test_stored import NAMES, strange

# What is called before: each leaves a result under its default name
TOOLS = ("de.rank_genes", "de.limma", "tl.pathway_activity", "tl.differential_activity", "tl.annotate_units")
TOOLS += (
    "tl.impact_contrast",
    "tl.causal_graph",
    "tl.predict_perturbation",
    "tl.predicted_hits",
    "tl.consensus_programs",
)
TOOLS += (
    "tl.enrichment",
    "tl.perturbation_effect",
    "tl.responders",
    "tl.guide_agreement",
    "tl.perturbation_similarity",
)
ARGUMENTS = {
    "keys": ["rank_genes_groups", "limma"],
    "truth": pd.DataFrame({"a": np.arange(len(NAMES)) < 8}, index=NAMES),
    "genes": NAMES[:2],
    "path": "programs.gmt",
    "show": False,
}
OPTIONS = {"get.ranking_agreement": {"group": "a"}, "pl.ranking_agreement": {"group": "a"}}
OPTIONS["pl.attribution_heatmap"] = {"key": "rank_genes_groups", "groupby": "group"}
OPTIONS["pl.units"] = {"basis": "X_scpi"}
NOT_HERE = {
    "pl.factor_wordcloud": "needs names of gene sets with words",
    "pl.benchmark": "reads a table of scores",
    "pl.paired_expression": "reads a table of samples",
    "pl.power": "reads a table of power",
    "pl.prediction": "reads predicted cells that were scored",
    "pl.rank_genes_gradients": "reads the ranking of a network: that of a test has the same form",
    "pl.dose_response": "needs a registered dose",
}


def readers():
    """Public functions of `get` and `pl`, by their names."""
    return {
        f"{room}.{name}": getattr(getattr(scpi, room), name)
        for room in ("get", "pl")
        for name in getattr(scpi, room).__all__
    }


def arguments(name, function):
    taken = {
        p.name: ARGUMENTS[p.name]
        for p in list(inspect.signature(function).parameters.values())[1:]
        if p.name in ARGUMENTS and (p.default is p.empty or p.name in ("show", "truth"))
    }
    return taken | OPTIONS.get(name, {})


@cache
def analysed():
    adata = strange()
    for name in TOOLS:
        Call(name, adata)()
    adata.obsm["X_scpi"] = np.random.default_rng(0).normal(size=(adata.n_obs, adata.varm["saliency"].shape[1]))
    return adata


NAMES_OF_READERS = [name for name in readers() if name not in NOT_HERE]


def test_what_is_left_out_is_there():
    assert set(NOT_HERE) <= set(readers())


@pytest.mark.slow  # the results come from trained networks
@pytest.mark.parametrize("name", NAMES_OF_READERS)
def test_results_with_odd_names_are_read(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata = analysed()
    before = leaves(adata)
    function = readers()[name]
    with mpl.rc_context({"backend": "agg"}):
        result = function(adata, **arguments(name, function))
        if name.startswith("pl."):
            mpl.pyplot.gcf().savefig(tmp_path / "a.png", dpi=20)
            mpl.pyplot.close("all")
    assert result is not None
    after = leaves(adata)
    assert [path for path in before if differs(after[path], before[path], 0.0)] == []


@pytest.mark.parametrize("name", NAMES_OF_READERS)
def test_what_is_not_there_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata = data()
    for slot in (adata.varm, adata.uns):
        slot.clear()
    function = readers()[name]
    with pytest.raises(Exception) as raised:
        function(adata, **arguments(name, function))
    assert is_clear(raised.value), raised.value
    assert [*tmp_path.iterdir()] == []
