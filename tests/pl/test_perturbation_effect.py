from __future__ import annotations

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.pl._figure import PAGE_WIDTH


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((2, 1), dtype=np.float32))
    names = [f"gene {i}" for i in range(6)]
    score = [1.0, 90.0, 30.0, 2.0, 0.8, 0.0]
    effects = pd.DataFrame({"perturbation": names, "score": score, "active": [False, True, True, True, False, False]})
    adata.uns["perturbation_effect"] = {"results": effects}
    return adata


@pytest.fixture
def with_responders(adata):
    fractions = {"fraction": [0.8, 0.3, 0.0], "fraction_low": [0.7, 0.1, 0.0], "fraction_high": [0.9, 1.0, 0.0]}
    table = pd.DataFrame({"perturbation": ["gene 1", "gene 2", "gene 4"]} | fractions)
    adata.uns["responders"] = {"results": table}
    return adata


def names(panel):
    return [label.get_text() for label in panel.get_yticklabels()]


def test_perturbations_stand_in_the_order_of_their_effects(adata):
    panel = scpi.pl.perturbation_effect(adata, show=False)
    assert names(panel) == [f"gene {i}" for i in (1, 2, 3, 0, 4, 5)]
    assert panel.get_ylim()[0] > panel.get_ylim()[1] and panel.get_xscale() == "log"
    dots = next(item for item in panel.collections if len(item.get_offsets()) == 6)
    # A score of 0 is drawn at the edge
    np.testing.assert_allclose(dots.get_offsets()[:, 0], [90, 30, 2, 1, 0.8, 0.1])
    filled = (dots.get_facecolor() < 1).any(axis=1)
    np.testing.assert_array_equal(filled, [True, True, True, False, False, False])
    colours = [label.get_color() for label in panel.get_yticklabels()]
    assert colours == ["black"] * 3 + ["#7F7F7F"] * 3
    assert panel.get_title() == "3 of 6 perturbations are active"
    panel.figure.draw_without_rendering()
    assert {"1", "10", "100"} & {label.get_text() for label in panel.get_xticklabels()}


def test_some_perturbations(adata):
    assert names(scpi.pl.perturbation_effect(adata, n_perturbations=2, show=False)) == ["gene 1", "gene 2"]
    chosen = scpi.pl.perturbation_effect(adata, perturbations=["gene 4", "gene 2"], show=False)
    assert names(chosen) == ["gene 2", "gene 4"]
    assert names(scpi.pl.perturbation_effect(adata, perturbations="gene 4", show=False)) == ["gene 4"]


def test_fractions_of_responders_have_a_panel(with_responders):
    figure = scpi.pl.perturbation_effect(with_responders, return_fig=True)
    first, second = figure.axes
    assert figure.get_figwidth() == pytest.approx(PAGE_WIDTH)
    assert second.get_xlabel() == "Fraction of responders"
    lines, found, none = second.collections
    np.testing.assert_allclose(found.get_offsets(), [[0.8, 0], [0.3, 1]])
    np.testing.assert_allclose([path[:, 0] for path in lines.get_segments()], [[0.7, 0.9], [0.1, 1.0]])
    assert len(none.get_offsets()) == 4
    assert first.get_ylim() == second.get_ylim()


def test_the_fraction_without_an_effect_is_empty(with_responders):
    # "gene 4" is not active: cells that look like responders are noise there
    with_responders.uns["responders"]["results"].loc[2, ["fraction", "fraction_low", "fraction_high"]] = [0.9, 0.1, 1.0]
    lines, found, empty = scpi.pl.perturbation_effect(with_responders, return_fig=True).axes[1].collections
    np.testing.assert_allclose(found.get_offsets(), [[0.8, 0], [0.3, 1]])
    assert [0.9, 4] in empty.get_offsets().tolist()
    assert len(lines.get_segments()) == 3


def test_axes_hold_the_effects_alone(with_responders):
    _, ax = plt.subplots()
    assert scpi.pl.perturbation_effect(with_responders, ax=ax) is ax


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"key": "x"}, KeyError, "no result of `scpi.tl.perturbation_effect` under 'x'"),
        ({"perturbations": ["gene 1", "Z"]}, ValueError, "not tested: 'Z'"),
        ({"perturbations": []}, ValueError, "no perturbation to draw"),
        ({"n_perturbations": 0}, ValueError, "no perturbation to draw"),
    ],
)
def test_bad_input_is_explained(adata, kwargs, error, message):
    with pytest.raises(error, match=message):
        scpi.pl.perturbation_effect(adata, **kwargs)
