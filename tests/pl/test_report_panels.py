"""Panels of the report on one perturbation."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scpi.pl._report_panels import Report, available


def report(kind, *, special=None):
    change = np.array([1.0, -2.0])
    genes = pd.DataFrame({"gene": ["x", "y"], "change": change, "special": change if special is None else special})
    parts = pd.DataFrame({"kind": kind, "part": ["a", "b"], "share": [0.7, 0.3], "qval": [0.01, np.nan]})
    fidelity = pd.DataFrame(
        {"kind": [kind], "n_removed": [1], "lost": [0.7], "lost_random": [0.4], "lost_random_sd": [0.1]}
    )
    return Report({"genes": genes, "parts": parts, "fidelity": fidelity}, None, 0.05, 10)


@pytest.mark.parametrize("kind", ["perturbations", "features", "factors", "units"])
def test_parts_of_each_kind_have_a_panel(kind):
    assert list(available(report(kind))) == ["change", kind, "fidelity"]


def test_significant_parts_are_dark():
    _, ax = plt.subplots()
    found = report("units")
    available(found)["units"](ax, found)
    dark, pale = (bar.get_facecolor() for bar in ax.patches)
    assert sum(dark[:3]) < sum(pale[:3])
    assert ax.get_xlabel() == "Fraction of the change"
    plt.close("all")


def test_a_mean_that_all_have_is_not_part_of_the_fraction():
    _, ax = plt.subplots()
    found = report("perturbations", special=np.array([0.5, -1.0]))
    available(found)["perturbations"](ax, found)
    assert ax.get_xlabel() == "Fraction of the deviation"
    plt.close("all")
