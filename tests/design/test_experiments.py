from __future__ import annotations

import pandas as pd
import pytest

from scpi._view import View
from scpi.design._experiments import all_sizes, run_sizes
from scpi.design._pilot import Pilot


@pytest.fixture
def sizes(make_pilot):
    adata, _ = make_pilot(n_controls=30, n_cells=10, n_samples=2)
    pilot = Pilot.read(
        View.of(adata), "perturbation", reference="control", groups="all", sample_key="donor", guide_key=None
    )
    return lambda **options: all_sizes(
        pilot, **({"n_cells": [5, 9], "n_controls": None, "n_replicates": 2, "depth": 1} | options)
    )


def test_sizes_are_all_combinations(sizes):
    found = sizes(depth=[0.5, 2], n_guides=[1, 3])
    assert len(found) == 8
    # As many controls as in a sample of the pilot
    assert found[0] == (5, 30, 2, 1, 0.5)
    assert found[-1] == (9, 30, 2, 3, 2.0)
    assert {size.n_controls for size in sizes(n_controls=7)} == {7}


def test_each_size_is_computed_once(sizes, tmp_path):
    computed = []

    def compute(size):
        computed.append(size)
        if len(computed) == 2:
            raise KeyboardInterrupt
        return pd.DataFrame({"power": [0.1 * size.n_cells, None]})

    options = {"name": "x", "depends_on": {"seed": 0}, "out": tmp_path / "new", "progress": False}
    with pytest.raises(KeyboardInterrupt):
        run_sizes(sizes(), compute, **options)
    table = run_sizes(sizes(), compute, **options)
    assert [size.n_cells for size in computed] == [5, 9, 9]
    assert table.columns.tolist() == ["n_cells", "n_controls", "n_replicates", "n_guides", "depth", "power"]
    assert table["n_cells"].tolist() == [5, 5, 9, 9]
    assert table["power"].iloc[::2].tolist() == [0.5, pytest.approx(0.9)]
    run_sizes(sizes(), compute, **(options | {"depends_on": {"seed": 1}}))
    assert len(computed) == 5


def test_a_bar_shows_the_progress(sizes, capsys):
    run_sizes(sizes(), lambda _: pd.DataFrame({"power": [1.0]}), name="x", depends_on=0, out=None, progress=True)
    assert "2/2" in capsys.readouterr().err
