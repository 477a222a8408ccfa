from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy import stats

import scpi
from scpi.pl._figure import PALETTE

DOSES = [1.0, 10.0, 100.0]


@pytest.fixture(scope="module")
def stored():
    """Two models under two perturbations in two contexts, with doses between and beyond the measured ones."""
    rng = np.random.default_rng(0)
    slope = {"control": np.zeros(20), "A": np.linspace(-0.2, 0.4, 20), "B": np.zeros(20)}
    rows = [
        (label, context, dose)
        for context in ("NK", "T")
        for label, doses in {"control": [0.0], "A": DOSES, "B": [10.0]}.items()
        for dose in doses
        for _ in range(15)
    ]
    obs = pd.DataFrame(rows, columns=["perturbation", "cell_type", "dose"], index=[f"c{i}" for i in range(len(rows))])
    mean = [2.0 + (context == "T") + slope[label] * np.log1p(dose) for label, context, dose in rows]
    x = np.stack(mean) + rng.normal(0, 0.3, (len(rows), 20))
    adata = ad.AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(20)]))
    for name in ("LinearDose", "MeanDelta"):
        cls = getattr(scpi.model, name)
        cls.setup_anndata(adata, context_key="cell_type", dose_key="dose")
        model = cls(adata)
        model.train(train_size=1.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scpi.tl.predict_perturbation(adata, model, "A", dose=[0, *DOSES, 300], n_between=2, key_added=name)
        scpi.tl.predict_perturbation(adata, model, ["A", "B"], key_added=f"{name}_both")
    return adata


def lines(ax, name):
    return [line for line in ax.lines if line.get_label() == name]


def test_lines_are_predictions_dashed_where_they_are_extrapolated(stored):
    panels = scpi.pl.dose_response(stored, ["G0", "G19"], keys=["LinearDose", "MeanDelta"], show=False)
    assert [panel.get_title() for panel in panels] == ["G0, NK", "G0, T", "G19, NK", "G19, T"]
    table = scpi.get.predicted_change(stored, genes="G19", context="T", key="MeanDelta")
    # From dose 0 to the least measured one, between the measured, and beyond
    drawn = lines(panels[3], "MeanDelta")
    assert [line.get_linestyle() for line in drawn] == ["--", "-", "--"]
    assert {line.get_color() for line in drawn} == {PALETTE[1]}
    assert {line.get_color() for line in lines(panels[3], "LinearDose")} == {PALETTE[0]}
    for line, (first, last) in zip(drawn, [(0, 3), (3, 9), (9, 12)], strict=True):
        np.testing.assert_allclose(line.get_xdata(), table["dose"].iloc[first : last + 1])
        np.testing.assert_allclose(line.get_ydata(), table["predicted"].iloc[first : last + 1])


def test_points_are_measured_changes_with_their_intervals(stored):
    panel = scpi.pl.dose_response(stored, "G19", context="T", keys="LinearDose", confidence_level=0.9, show=False)
    points, _, (bars,) = panel.containers[0]
    table = scpi.get.predicted_change(stored, genes="G19", context="T", key="LinearDose").query("n_measured > 0")
    np.testing.assert_allclose(points.get_xdata(), DOSES)
    np.testing.assert_allclose(points.get_ydata(), table["measured"])
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends.mean(axis=1), table["measured"])
    np.testing.assert_allclose(np.diff(ends).ravel() / 2, stats.norm.ppf(0.95) * table["measured_se"], rtol=1e-6)
    assert "measured, 90 % interval" in [text.get_text() for text in panel.figure.legends[0].get_texts()]


def test_the_axis_is_the_logarithm_of_dose_plus_1(stored):
    panel = scpi.pl.dose_response(stored, "G3", context="T", keys="LinearDose", show=False)
    at = panel.transData.transform([[dose, 0] for dose in (0, np.e - 1, np.e**2 - 1, np.e**5 - 1)])[:, 0]
    np.testing.assert_allclose((at - at[0]) / (at[1] - at[0]), [0, 1, 2, 5])
    named = dict(zip(panel.get_xticks(), (label.get_text() for label in panel.get_xticklabels()), strict=True))
    assert named == {0: "0", 1: "1", 10: "10", 100: "100", 300: "300"}
    low, high = panel.get_xlim()
    assert low < 0
    assert high > 300


def test_labels_of_near_doses_give_way(stored):
    adata = stored.copy()
    adata.uns["LinearDose"]["measured"] = stored.uns["LinearDose"]["measured"].replace({"dose": {10.0: 90.0}})
    panel = scpi.pl.dose_response(adata, "G3", context="T", keys="LinearDose", show=False)
    assert sorted(panel.get_xticks()) == [0, 1, 100, 300]
    assert panel.get_xticks(minor=True).tolist() == [90]
    panel.figure.canvas.draw()
    assert {label.get_text() for label in panel.get_xticklabels(minor=True)} == {""}


def test_the_genes_that_change_most_come_first(stored):
    panels = scpi.pl.dose_response(stored, context="T", keys="LinearDose", n_genes=3, show=False)
    table = scpi.get.predicted_change(stored, context="T", key="LinearDose").query("dose == 300").set_index("gene")
    top = table["predicted"].abs().sort_values(ascending=False).index[:3]
    assert [panel.get_title() for panel in panels] == [f"{gene}, T" for gene in top]
    assert set(top) == {"G17", "G18", "G19"}


def test_contexts_of_a_gene_share_a_scale(stored):
    first, second = scpi.pl.dose_response(stored, "G19", keys="LinearDose", show=False)
    assert first.get_ylim() == second.get_ylim()


def test_names_of_the_lines(stored):
    def legend(keys):
        figure = scpi.pl.dose_response(stored, "G1", keys=keys, perturbation="A", context="T", return_fig=True)
        return [text.get_text() for text in figure.legends[0].get_texts()]

    assert legend("LinearDose") == ["LinearDose", "extrapolated", "measured, 95 % interval"]
    assert legend({"line": "LinearDose", "mean": "MeanDelta"})[:2] == ["line", "mean"]
    # Two results of one model go by their keys; nothing is extrapolated in the second
    assert legend(["LinearDose", "LinearDose_both"])[:2] == ["LinearDose", "LinearDose_both"]
    assert legend("MeanDelta_both") == ["MeanDelta", "measured, 95 % interval"]


def test_a_single_dose_and_no_measurement(stored):
    adata = stored.copy()
    both = adata.uns["LinearDose_both"]
    del both["measured"]
    panel = scpi.pl.dose_response(adata, "G1", perturbation="B", context="T", keys="LinearDose_both", show=False)
    assert not panel.containers
    (point,) = lines(panel, "LinearDose")
    assert point.get_marker() == "s"
    assert point.get_xdata().tolist() == [10]


def test_given_axes_take_one_panel_and_nothing_is_said(stored):
    figure, ax = plt.subplots()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scpi.pl.dose_response(stored, "G1", context="T", keys="LinearDose", ax=ax) is ax
        figure.canvas.draw()
    assert ax.get_legend() is not None
    with pytest.raises(ValueError, match="`ax` can hold one panel, but there are 2"):
        scpi.pl.dose_response(stored, "G1", keys="LinearDose", ax=ax)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({}, KeyError, "no result of `scpi.tl.predict_perturbation` under 'predicted_change'"),
        ({"keys": []}, ValueError, "1 to 6 results, got 0"),
        ({"keys": "LinearDose", "genes": "X"}, ValueError, "no gene 'X', only 'G0'"),
        ({"keys": "LinearDose", "context": "B"}, ValueError, "no context 'B', only 'NK', 'T'"),
        ({"keys": "LinearDose", "perturbation": "B"}, ValueError, "no predicted perturbation 'B', only 'A'"),
        ({"keys": "LinearDose_both"}, ValueError, "Choose one `perturbation`: the results have 'A', 'B'"),
        ({"keys": "LinearDose", "confidence_level": 95}, ValueError, "`confidence_level` must be between 0 and 1"),
        ({"keys": "LinearDose", "n_genes": 0}, ValueError, "`n_genes` at least 1"),
    ],
)
def test_bad_choices_are_explained(stored, kwargs, error, message):
    with pytest.raises(error, match=message):
        scpi.pl.dose_response(stored, **kwargs)


def test_results_that_do_not_go_together_are_explained(stored):
    adata = stored.copy()
    adata.uns["MeanDelta"]["params"]["layer"] = "counts"
    with pytest.raises(ValueError, match="of different layers"):
        scpi.pl.dose_response(adata, keys=["LinearDose", "MeanDelta"])
    conditions = adata.uns["MeanDelta"]["conditions"]
    adata.uns["MeanDelta"]["params"].pop("layer")
    adata.uns["MeanDelta"]["conditions"] = conditions.assign(context=conditions["context"].astype(str) + "2")
    with pytest.raises(ValueError, match="no context in common: the first has 'NK', 'T', the next 'NK2', 'T2'"):
        scpi.pl.dose_response(adata, keys=["LinearDose", "MeanDelta"])
    adata.uns["MeanDelta"]["conditions"] = conditions.drop(columns="context")
    with pytest.raises(ValueError, match="not all of the results have contexts"):
        scpi.pl.dose_response(adata, keys=["LinearDose", "MeanDelta"])
    adata.uns["MeanDelta"]["conditions"] = conditions.drop(columns="dose")
    with pytest.raises(ValueError, match="under 'MeanDelta' have no doses: set up the model with `dose_key`"):
        scpi.pl.dose_response(adata, keys="MeanDelta")
