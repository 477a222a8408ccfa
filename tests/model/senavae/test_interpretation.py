from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scpi


@pytest.fixture(scope="module")
def adata(make_screen):
    return make_screen()


@pytest.fixture(scope="module")
def model(adata, build):
    return build("SENAVAE", adata, {"n_factors": 4})


@pytest.fixture
def known(make_screen):
    """A model whose interventions and graph were set by hand."""
    adata = make_screen()
    scpi.model.SENAVAE.setup_anndata(adata)
    model = scpi.model.SENAVAE(adata, n_factors=4)
    logits = torch.zeros(4, 4)
    logits[0, 2] = logits[1, 2] = 200.0
    logits[2, :2] = 200.0
    model.module.intervention.set_assignment(logits, torch.tensor([1.0, -2.0, 0.5, 3.0]))
    graph = torch.zeros(4, 4)
    graph[0, 1], graph[0, 3], graph[1, 2], graph[2, 3] = 0.5, -2.0, 0.1, 1.0
    model.module.causal.graph.set_adjacency(graph)
    model.is_trained_ = True
    return model


def test_targets_and_how_sure_they_are(known):
    table = known.get_intervention_targets()
    assert table["perturbation"].tolist() == ["A", "B", "C", "D"]
    assert table["factor"].iloc[:2].tolist() == ["factor_2", "factor_2"]
    np.testing.assert_allclose(table["probability"], [1, 1, 0.5, 0.25], atol=1e-6)
    # In shares of log 4: one factor, one factor, two alike, all alike
    np.testing.assert_allclose(table["entropy"], [0, 0, 0.5, 1], atol=1e-6)
    np.testing.assert_allclose(table["strength"], [1, -2, 0.5, 3])
    assert table.attrs["n_factors_used"] == table["factor"].nunique() == 2
    assignment = known.get_intervention_assignment()
    assert assignment.index.tolist() == ["A", "B", "C", "D"]
    np.testing.assert_allclose(assignment.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(assignment.loc["C"], [0.5, 0.5, 0, 0], atol=1e-6)


def test_edges_are_sorted_and_selected(known):
    edges = known.get_causal_graph()
    assert edges.columns.tolist() == ["source", "target", "weight"]
    assert len(edges) == 6
    assert (np.diff(edges["weight"].abs()) <= 0).all()
    first = edges.iloc[:4]
    assert first[["source", "target"]].to_numpy().tolist() == [
        ["factor_0", "factor_3"],
        ["factor_2", "factor_3"],
        ["factor_0", "factor_1"],
        ["factor_1", "factor_2"],
    ]
    np.testing.assert_allclose(first["weight"], [-2, 1, 0.5, 0.1])
    pd.testing.assert_frame_equal(known.get_causal_graph(threshold=0.5), edges.iloc[:3])
    pd.testing.assert_frame_equal(known.get_causal_graph(top_n=2), edges.iloc[:2])
    pd.testing.assert_frame_equal(known.get_causal_graph(threshold=0.5, top_n=1), edges.iloc[:1])
    assert known.get_causal_graph(threshold=10).empty


def test_a_model_without_a_graph_has_no_edges(make_screen, build):
    model = build("SENAVAE", make_screen(), {"mechanism": "none"})
    assert model.get_causal_graph().empty
    assert model.get_causal_graph().columns.tolist() == ["source", "target", "weight"]


def test_loadings_and_the_pathways_of_a_factor(model):
    loadings = model.get_factor_loadings()
    assert loadings.columns.tolist() == list(model.gene_set_names_)
    np.testing.assert_array_equal(loadings.to_numpy(), model.module.encoder.heads.weight[:4].detach().numpy())
    table = model.get_factor_pathways(top_n=2)
    assert table["rank"].tolist() == [1, 2] * 4
    for factor, group in table.groupby("factor"):
        strongest = loadings.loc[factor].abs().sort_values(ascending=False).index[:2]
        assert group["set"].tolist() == strongest.tolist()
        np.testing.assert_array_equal(group["weight"], loadings.loc[factor, strongest])
    assert len(model.get_factor_pathways(top_n=None)) == 4 * 5


def test_activities_are_the_first_layer(model, adata):
    activity = model.get_pathway_activity()
    layer = model.module.encoder.first
    expected = adata.X.toarray() @ layer.dense_weight().detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(activity.to_numpy(), expected, atol=1e-4)
    assert activity.index.tolist() == adata.obs_names.tolist()
    some = model.get_pathway_activity(indices=[5, 2], batch_size=1)
    np.testing.assert_allclose(some.to_numpy(), expected[[5, 2]], atol=1e-4)
    assert some.index.tolist() == adata.obs_names[[5, 2]].tolist()


def test_genes_outside_all_sets_do_not_reach_the_factors(model, make_screen):
    silent = np.flatnonzero(~np.asarray((make_screen().varm["gene_sets"] != 0).sum(1)).ravel().astype(bool))
    assert len(silent)
    changed = make_screen()
    x = changed.X.toarray()
    x[:, silent] += 50
    changed.X = sparse.csr_matrix(x)
    np.testing.assert_allclose(model.get_latent_representation(changed), model.get_latent_representation(), atol=1e-5)


def test_latent_representations(model, adata):
    mean, causal, sample = (model.get_latent_representation(kind=kind) for kind in ("mean", "causal", "exogenous"))
    graph = model.module.causal.adjacency().detach().numpy()
    np.testing.assert_allclose(causal, mean @ np.linalg.inv(np.eye(4) - graph), atol=1e-5)
    x = torch.from_numpy(adata.X.toarray())
    expected, variance = (value.detach().numpy() for value in model.module.encode(x))
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    standardised = (sample - expected) / np.sqrt(variance)
    assert abs(standardised.mean()) < 0.15
    assert standardised.std() == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(sample, model.get_latent_representation(kind="exogenous"))
    np.testing.assert_allclose(sample, model.get_latent_representation(kind="exogenous", batch_size=7), atol=1e-4)
    assert not np.allclose(sample, model.get_latent_representation(kind="exogenous", seed=1))
    np.testing.assert_allclose(model.get_latent_representation(indices=[3, 1]), mean[[3, 1]], atol=1e-5)
    with pytest.raises(ValueError, match="`kind` must be"):
        model.get_latent_representation(kind="latent")


def test_the_tools_read_the_model(model, adata):
    data = adata.copy()
    scpi.tl.pathway_activity(data, model)
    np.testing.assert_allclose(data.obsm["pathway_activity"], model.get_pathway_activity(data).to_numpy(), atol=1e-5)
    scpi.tl.causal_graph(data, model)
    assert data.uns["causal_graph"]["targets"]["perturbation"].tolist() == model.perturbations_
