"""Tables of scores as grids have them, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.benchmark.grid._reporting._ranking import Benchmark


@pytest.fixture
def scores():
    """A function that makes a table from values of each model, conditions x seeds or one per condition."""

    def make(metric="pearson", data="d", scheme="s", **models):
        rows = [
            {"data": data, "scheme": scheme, "model": name.replace("_", " "), "split": "all", "seed": seed}
            | {"context": f"c{place % 2}", "perturbation": f"p{place}", "dose": 1.0, "n_cells": 9, metric: value}
            for name, values in models.items()
            for place, of_condition in enumerate(values)
            for seed, value in enumerate(np.atleast_1d(of_condition))
            if value is not None
        ]
        return pd.DataFrame(rows).assign(seconds=1.0, null_of="").astype({metric: float})

    return make


@pytest.fixture
def benchmark_of(scores):
    def make(**models):
        table = scores(**models).assign(group="")
        return Benchmark("d", "s", table, table[:0])

    return make
