"""Figure of the risk of the surest predictions."""

from __future__ import annotations

import numpy as np
import pytest

import scpi


def test_the_curves_are_those_of_the_errors_relative_to_no_change(risks):
    axes = scpi.pl.risk_coverage(risks, show=False)
    lines = {line.get_label(): line for line in axes.lines}
    table = risks.uns["predicted_hits"]["left_out"]
    for label, column in (("model", "error"), ("mean change", "error_of_mean")):
        curve = scpi.metrics.risk_coverage(table["confidence"], (table[column] / table["size"]) ** 2)
        np.testing.assert_allclose(lines[label].get_xdata(), curve.coverage)
        np.testing.assert_allclose(lines[label].get_ydata(), curve.risk)
    assert axes.get_xlabel() == "Fraction of the conditions, surest first"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mean change", "model"]


def test_conditions_without_a_change_are_left_out(risks):
    table = risks.uns["predicted_hits"]["left_out"]
    table.loc[0, "size"] = 0.0
    axes = scpi.pl.risk_coverage(risks, show=False)
    assert len(axes.lines[0].get_xdata()) == len(table) - 1
    assert np.isfinite(axes.lines[1].get_ydata()).all()


def test_what_is_missing_is_said(risks):
    with pytest.raises(KeyError, match="no result of `scpi.tl.predicted_hits` under 'other'"):
        scpi.pl.risk_coverage(risks, key="other")
