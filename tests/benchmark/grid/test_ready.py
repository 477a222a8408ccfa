from __future__ import annotations

from scpi.benchmark.grid import Grid, ready_grids


def test_grids_that_come_with_scpi_are_grids():
    found = {name: Grid.read(path) for name, path in ready_grids().items()}
    assert "kang" in found
    kang = found["kang"]
    assert kang.data["kang"].loader == "kang_2018" and kang.splits["types"].by == "leave_context_out"
    assert {"no change", "mean change", "mtae"} <= kang.models.keys() and kang.ceiling
    assert kang.models["mtae"].tune and kang.tuning.objectives == ["pearson"]
