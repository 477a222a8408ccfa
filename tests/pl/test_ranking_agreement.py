from __future__ import annotations

import numpy as np
import pytest

import scpi

KEYS = ["rank_genes_groups", "limma", "other"]


@pytest.mark.parametrize("metric", ["top_k_overlap", "top_k_jaccard", "rank_biased_overlap"])
def test_the_numbers_are_those_of_the_getter(ranked, metric):
    panel = scpi.pl.ranking_agreement(ranked, KEYS, metric=metric, k=20, p=0.9, show=False)
    expected = scpi.get.ranking_agreement(ranked, KEYS, metric=metric, k=20, p=0.9)
    np.testing.assert_allclose(panel.images[0].get_array(), expected)
    assert panel.images[0].get_clim() == (0, 1)
    assert [text.get_text() for text in panel.texts] == [f"{value:.2f}" for value in expected.to_numpy().ravel()]
    assert [label.get_text() for label in panel.get_yticklabels()] == KEYS
    assert 0 < expected.loc["limma", "other"] < expected.loc["limma", "rank_genes_groups"]


def test_p_values_are_drawn_as_powers_of_ten(ranked):
    figure = scpi.pl.ranking_agreement(
        ranked, {"a": "limma", "b": "other"}, metric="overlap_log_pval", k=20, group="B", return_fig=True
    )
    matrix = scpi.get.ranking_agreement(ranked, ["limma", "other"], metric="overlap_log_pval", k=20, group="B")
    powers = -matrix.to_numpy() / np.log(10)
    panel, bar = figure.axes
    np.testing.assert_allclose(panel.images[0].get_array(), powers)
    assert [text.get_text() for text in panel.texts] == [f"{value:.0f}" for value in powers.ravel()]
    assert panel.images[0].get_clim()[1] == pytest.approx(max(powers[0, 1], 1))
    assert "of the top 20" in bar.get_ylabel().replace("\n", " ")


def test_numbers_can_be_read_on_every_colour(ranked):
    panel = scpi.pl.ranking_agreement(ranked, KEYS, k=5, show=False)
    values = panel.images[0].get_array().ravel()
    colours = [text.get_color() for text in panel.texts]
    assert {colour for colour, value in zip(colours, values, strict=True) if value > 0.9} == {"black"}
    assert {colour for colour, value in zip(colours, values, strict=True) if value < 0.3} == {"white"}
    assert values.min() < 0.3
