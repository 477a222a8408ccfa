"""Leaks that are planted are found, each as what it is and nothing else; divisions without a leak have none."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.neighbors import kneighbors_graph

import scpi
from scpi.benchmark import audit_leaks, splits
from scpi.benchmark._guards._finding import KINDS, risk_of, severity_of
from scpi.benchmark.grid._cells import _normalised as logged


def moved(split, cells):
    """The split with some test cells in training."""
    return replace(split, test=np.setdiff1d(split.test, cells), train=np.union1d(split.train, cells))


@pytest.fixture(scope="module")
def contexts():
    """Cells of three types with and without a stimulus, at three doses."""
    rng = np.random.default_rng(0)
    obs = [(c, d) for c in "TBN" for d in (0.0, 1.0, 3.0, 10.0) for _ in range(25)]
    rate = rng.gamma(1.0, 1.5, 200) * np.exp(rng.normal(0, 0.3, (len(obs), 200)))
    adata = ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype("f4")))
    adata.obs["cell_type"], adata.obs["dose"] = [c for c, _ in obs], [d for _, d in obs]
    adata.obs["perturbation"] = np.where(adata.obs["dose"] > 0, "drug", "control")
    adata.obs_names = [f"x{i}" for i in range(len(obs))]
    return logged(adata)


def labels(adata):
    return adata.obs["perturbation"].astype(str).to_numpy()


def pairs_left_out(adata, split):
    """Cells of one pair among the test cells, and its label."""
    own = labels(adata)
    label = next(one for one in own[split.test] if "+" in one)
    return split.test[own[split.test] == label], label


def same_cells(adata, split):
    return adata, replace(split, train=np.union1d(split.train, split.test[:5])), {}


def copied(adata, split, change):
    counts = adata.layers["counts"].tolil()
    counts[split.train[:5]] = change(adata.layers["counts"][split.test[:5]].toarray())
    return logged(ad.AnnData(counts.tocsr(), obs=adata.obs, var=adata.var)), split, {}


def near_duplicates(adata, split):
    rng = np.random.default_rng(0)
    return copied(adata, split, lambda x: rng.binomial(x.astype(int), 0.95).astype("f4"))


def condition(adata, split):
    own = labels(adata)
    return adata, moved(split, split.test[own[split.test] == own[split.test[0]]][:4]), {}


def spelled(adata, split, write):
    cells, label = pairs_left_out(adata, split)
    own = labels(adata).astype(object)
    own[cells[:8]] = write(label)
    adata.obs["perturbation"] = own
    return adata, moved(split, cells[:8]), {}


def combination(adata, split):
    return adata, moved(split, pairs_left_out(adata, split)[0]), {}


def donors(adata, split):
    adata.obs["donor"] = np.where(np.arange(adata.n_obs) % 3 == 0, "d1", "d2")
    return adata, split, {"apart": "donor"}


def controls(adata, split):
    return adata, splits.leave_perturbations_out(adata, n_splits=3, reference_fraction=0)[0], {}


def genes(adata, split):
    sc.pp.highly_variable_genes(adata, n_top_genes=200)
    return adata[:, adata.var["highly_variable"]].copy(), split, {}


def scaled(adata, split):
    sc.pp.scale(adata, max_value=10)
    return adata, split, {}


def components(adata, split):
    sc.pp.pca(adata, n_comps=10)
    return adata, split, {}


def neighbours(adata, split):
    adata.obsp["connectivities"] = kneighbors_graph(adata.X, 5)
    return adata, split, {}


def results(adata, split):
    groups = sorted(set(labels(adata)) - {"control"})
    adata.uns["rank_genes_groups"] = {"names": np.rec.fromarrays([adata.var_names[:5]] * len(groups), names=groups)}
    return adata, split, {}


def features(adata, split):
    adata = logged(scpi.datasets.plant_screen(n_perturbations=9, n_cells=20, n_decoy_sets=0, doubles=False, rng=0))
    scpi.tl.perturbation_features(adata, screens=adata, symbols=False)
    return adata, splits.leave_perturbations_out(adata, n_splits=3)[0], {}


def targets(adata, split):
    return adata, split, {"exclude_targets": False}


PLANTED = {
    "test cells in training": same_cells,
    "duplicated cells": lambda adata, split: copied(adata, split, lambda x: x),
    "near-duplicated cells": near_duplicates,
    "condition on both sides": condition,
    "other spelling in training": lambda a, s: spelled(a, s, lambda name: name.lower().replace("+", "_")),
    "perturbation in a training combination": combination,
    "value on both sides": donors,
    "shared controls": controls,
    "genes selected with test cells": genes,
    "scaled with test cells": scaled,
    "representation of test cells": components,
    "neighbours across the division": neighbours,
    "results of test conditions": results,
    "features from the same screen": features,
    "targets among the scored genes": targets,
}


def test_every_kind_is_planted():
    assert set(PLANTED) == set(KINDS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_planted_is_found_and_nothing_else(kind, adata, split):
    data, division, options = PLANTED[kind](adata, split)
    found = audit_leaks(data, division, **options)
    assert set(found["kind"]) == {kind}
    assert found["remedy"].unique().tolist() == [KINDS[kind]]
    assert (found["n"] > 0).all() and found["evidence"].str.len().min() > 20


def of_training(adata, known):
    """Everything that may be computed without the test cells."""
    part = adata[known].copy()
    sc.pp.highly_variable_genes(part, n_top_genes=200)
    adata.var = part.var
    scpi.tl.perturbation_features(adata, screens=part, coexpression=True, symbols=True)
    axes = PCA(10, random_state=0).fit(part.X.toarray())
    adata.obsm["X_pca"] = axes.transform(adata.X.toarray()).astype("f4")
    adata.layers["scaled"] = (adata.X.toarray() - part.X.toarray().mean(0)) / (part.X.toarray().std(0) + 1e-9)
    graph = np.zeros((adata.n_obs, adata.n_obs), dtype="f4")
    graph[np.ix_(known[:50], known[:50])] = 1.0
    adata.obsp["connectivities"] = sparse.csr_matrix(graph)


@pytest.mark.filterwarnings("ignore")
def test_what_is_computed_without_test_cells_is_no_leak(adata, split, known):
    of_training(adata, known)
    assert audit_leaks(adata, split).empty


CLEAN = {
    "perturbations": lambda a, c: (a, splits.leave_perturbations_out(a, n_splits=3), {}),
    "combinations": lambda a, c: (a, splits.leave_combinations_out(a, n_splits=3), {}),
    "cells": lambda a, c: (a, splits.random_cells(a, n_splits=2), {}),
    "types": lambda a, c: (c, splits.leave_context_out(c, context_key="cell_type"), {"context_key": "cell_type"}),
    "doses": lambda a, c: (c, splits.leave_doses_out(c, dose_key="dose"), {"dose_key": "dose"}),
}


@pytest.mark.parametrize("name", CLEAN)
def test_divisions_of_scpi_have_no_leak(name, planted, contexts):
    adata, divisions, options = CLEAN[name](planted, contexts)
    assert audit_leaks(adata, divisions, **options).empty


REAL = {
    "kang_muscat": ("condition", "ctrl", {"context_key": "cell_type"}),
    "kang_harmony": ("condition", "ctrl", {"context_key": "cell_type_pred"}),
    "gbm_panobinostat_zhao2021_300genes": ("condition", "ctrl", {"context_key": "patient_id"}),
    "cropseq_dox_hill2018_28genes": ("perturbation", "control", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_screens_have_no_leak(name, test_data):
    key, control, options = REAL[name]
    adata = logged(ad.read_h5ad(test_data(f"{name}.h5ad")))
    labelled = {"perturbation_key": key, "control": control}
    make = splits.leave_context_out if options else splits.leave_perturbations_out
    assert audit_leaks(adata, make(adata, **labelled, **options), **labelled, **options).empty


def test_severity_depends_on_what_models_read(adata, split):
    sc.pp.pca(adata, n_comps=5)
    found = {str(reads): audit_leaks(adata, split, reads=reads)["severity"].item() for reads in (None, (), "X_pca")}
    assert found == {"None": "medium", "()": "low", "X_pca": "high"}
    assert severity_of("a", ["b"]) == "low"
    assert [risk_of(one) for one in ([], ["low"], ["low", "high", "medium"])] == ["none", "low", "high"]


def test_the_table_of_no_leak_has_its_columns_and_nothing_is_written(adata, split):
    before = adata.copy()
    found = audit_leaks(adata, split)
    assert found.columns.tolist() == ["split", "kind", "severity", "n", "entry", "evidence", "remedy"]
    assert list(adata.uns) == list(before.uns) and adata.obs.equals(before.obs)
    assert (adata.X != before.X).nnz == 0


def test_what_is_refused(adata, split):
    with pytest.raises(ValueError, match="There are 0 splits"):
        audit_leaks(adata, [])
    with pytest.raises(ValueError, match="has 0 training and 220 test cells with a label: it needs both"):
        audit_leaks(adata, replace(split, train=split.train[:0]))
    with pytest.raises(KeyError, match=r"`apart` names 'donor', but `obs` has no column 'donor'"):
        audit_leaks(adata, split, apart="donor")
    with pytest.raises(KeyError, match="has no 'logs'"):
        audit_leaks(adata, split, layer="logs")
