from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from scpi.screen._figures import history_figure


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def result():
    history = {
        "objective_train": pd.DataFrame({"objective_train": [5.0, 4.0, 3.0]}),
        "objective_validation": pd.DataFrame({"objective_validation": [6.0, 5.5]}, index=[0, 2]),
        "mmd_train": pd.DataFrame({"mmd_train": [0.3, 0.2, 0.1]}),
        "lr_train": pd.DataFrame({"lr_train": [1.0, 1.0, 1.0]}),
    }
    return SimpleNamespace(model=SimpleNamespace(history=history))


def test_the_history_has_a_panel_for_each_part_of_the_objective(result):
    axes = history_figure(result).axes
    assert [ax.get_title() for ax in axes] == ["Objective", "Discrepancy (MMD)"]
    train, validation = axes[0].lines
    assert (train.get_label(), train.get_ydata().tolist()) == ("train", [5.0, 4.0, 3.0])
    assert (validation.get_label(), validation.get_xdata().tolist()) == ("validation", [0, 2])
    assert len(axes[1].lines) == 1
