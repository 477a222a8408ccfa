from __future__ import annotations

import numpy as np
import pytest

import scpi


def parts(adata, **kwargs):
    figure = scpi.pl.intervention_targets(adata, return_fig=True, **kwargs)
    figure.draw_without_rendering()
    heatmap = next(ax for ax in figure.axes if ax.get_xlabel().replace("\n", " ") == "Causal factor")
    by_label = {ax.get_xlabel(): ax for ax in figure.axes}
    return heatmap, by_label["Strength"], by_label["Entropy"], figure


def test_the_heatmap_shows_the_probabilities(graph_data):
    adata = graph_data(6)
    stored = adata.uns["causal_graph"]
    heatmap, strength, entropy, figure = parts(adata)
    labels = [label.get_text() for label in heatmap.get_yticklabels()]
    image = heatmap.images[0]
    order = [stored["targets"]["perturbation"].tolist().index(label) for label in labels]
    assert sorted(order) == list(range(25))
    np.testing.assert_array_equal(image.get_array(), stored["assignment"][order])
    assert image.get_clim() == (0, 1)
    # By factor, the surest first
    best = stored["assignment"][order].argmax(axis=1)
    assert (np.diff(best) >= 0).all()
    top = stored["assignment"][order].max(axis=1)
    assert (np.diff(top)[np.diff(best) == 0] <= 0).all()
    np.testing.assert_allclose([bar.get_width() for bar in strength.patches], stored["targets"]["strength"].iloc[order])
    np.testing.assert_allclose([bar.get_width() for bar in entropy.patches], stored["targets"]["entropy"].iloc[order])
    counts = next(ax for ax in figure.axes if ax.get_ylabel() == "Perturbations")
    assert [bar.get_height() for bar in counts.patches] == stored["factors"]["n_targets"].tolist()
    assert [label.get_text() for label in heatmap.get_xticklabels()] == list("012345")


def test_margins_stand_beside_their_rows(graph_data):
    heatmap, strength, entropy, _ = parts(graph_data(6))
    for margin in (strength, entropy):
        assert margin.get_ylim() == heatmap.get_ylim() == (24.5, -0.5)
        assert margin.get_position().y0 == pytest.approx(heatmap.get_position().y0, abs=1e-3)
        assert margin.get_position().x0 > heatmap.get_position().x1


def test_perturbations_can_be_chosen(graph_data):
    heatmap, *_ = parts(graph_data(6), perturbations=["GENE3", "GENE1"])
    assert {label.get_text() for label in heatmap.get_yticklabels()} == {"GENE1", "GENE3"}
    assert heatmap.get_ylabel() == "Perturbation (2 of 25)"
    with pytest.raises(ValueError, match="no perturbation 'X', only"):
        parts(graph_data(6), perturbations=["X"])


def test_the_strongest_of_many_are_drawn(graph_data):
    adata = graph_data(50, n_perturbations=300)
    heatmap, *_ = parts(adata, n_perturbations=10)
    targets = adata.uns["causal_graph"]["targets"]
    strongest = targets.loc[targets["strength"].abs().sort_values(ascending=False).index[:10], "perturbation"]
    assert {label.get_text() for label in heatmap.get_yticklabels()} == set(strongest)
    # Every second of fifty numbers
    assert len(heatmap.get_xticks()) == 25
