"""The report on one perturbation."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import scpi


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def panels(data, perturbation=None, **options):
    found = scpi.pl.perturbation_report(data, perturbation, show=False, **options)
    return dict(zip([ax.get_title(loc="left") for ax in found], found, strict=True))


def test_all_that_is_known_has_a_panel(report):
    found = panels(report)
    assert list(found) == [
        "Predicted change",
        "Perturbations",
        "Features",
        "Gene sets",
        "Deletion",
        "Correlation",
        "Measured change",
    ]
    figure = found["Deletion"].get_figure()
    assert figure.get_suptitle() == "KLF7: unseen"
    labels = [text.get_text() for text in found["Predicted change"].get_legend().get_texts()]
    assert labels[:2] == ["predicted", "interval"]


def test_bars_are_the_numbers_of_the_tables(report):
    found = panels(report)
    parts = scpi.get.explained_prediction(report, perturbation="KLF7", kind="perturbations")
    parts = parts.iloc[np.argsort(-parts["share"].abs(), kind="stable")[:8]]
    assert [bar.get_width() for bar in found["Perturbations"].patches] == pytest.approx(parts["share"].tolist())
    labels = [text.get_text() for text in found["Perturbations"].get_yticklabels()]
    assert labels == parts["part"].tolist()
    scores = scpi.get.explained_prediction(report, "scores", perturbation="KLF7").dropna(subset="pearson")
    assert [bar.get_width() for bar in found["Correlation"].patches] == pytest.approx(scores["pearson"].tolist())


def test_genes_with_the_largest_changes_are_drawn_with_their_hits(report):
    axes = scpi.pl.perturbation_report(report, panels="change", n_genes=5, show=False)
    genes = scpi.get.explained_prediction(report, "genes", perturbation="KLF7")
    largest = genes.iloc[np.argsort(-genes["change"].abs())[:5]].sort_values("change")
    shown = [text.get_text() for text in axes.get_yticklabels()]
    hits = set(scpi.get.predicted_hits(report, pval_cutoff=0.05).query("perturbation == 'KLF7'")["gene"])
    assert shown == [f"{gene} *" if gene in hits else gene for gene in largest["gene"]]
    assert len(axes.get_yticks()) == 5


def test_without_measurements_sets_and_hits_there_are_fewer_panels(report):
    for key in ("sets", "scores"):
        del report.uns["explained_prediction"][key]
    report.uns["explained_prediction"]["genes"] = report.uns["explained_prediction"]["genes"].drop(
        columns=["lower", "upper", "measured", "measured_se"]
    )
    del report.uns["predicted_hits"]
    found = panels(report, "IRF1")
    assert list(found) == ["Predicted change", "Perturbations", "Features", "Deletion"]
    labels = [text.get_text() for text in found["Predicted change"].get_legend().get_texts()]
    assert labels == ["predicted"]


def test_what_is_refused(report):
    with pytest.raises(ValueError, match="no perturbation 'X', only 'KLF7', 'IRF1'"):
        scpi.pl.perturbation_report(report, "X")
    with pytest.raises(ValueError, match="nothing to draw in the panel 'units' of 'KLF7', only in 'change'"):
        scpi.pl.perturbation_report(report, panels=["change", "units"])
    with pytest.raises(ValueError, match="`n_genes` must be at least 1"):
        scpi.pl.perturbation_report(report, n_genes=0)
