from __future__ import annotations

import json

import pandas as pd
import pytest

from scpi.benchmark.grid import SlurmExecutor
from scpi.benchmark.grid._show import (
    as_bytes,
    keep_plan,
    plan_lines,
    plan_rows,
    planned,
    slurm_lines,
    write_table,
)
from scpi.benchmark.grid._show_status import folder_of


@pytest.fixture
def file(tiny, tmp_path):
    path = tmp_path / "grid.yaml"
    resources = {"model": "Additive", "resources": {"mem": "32G"}}
    path.write_text(json.dumps(tiny(models={"nothing": "NoChange", "additive": resources}).to_dict()), encoding="utf-8")
    return path


def test_a_dry_run_lists_tasks_and_writes_nothing(file):
    out = folder_of(file, None)
    plan = planned(file, out)
    lines = list(plan_lines(plan, out))
    assert lines[0] == f"9 tasks, of which 0 are finished in {str(out)!r}."
    assert "model: nothing, additive, split-half ceiling" in lines
    assert f"{plan.tasks[0].hash[:8]}  nothing, planted, pairs part 1 of 3, seed 0" in lines
    assert plan_rows(plan, out)["tasks"][0] == plan.tasks[0]._asdict() | {"finished": False}
    scripts = slurm_lines(plan, out, SlurmExecutor())
    assert ["--array=0-5" in scripts[0], "--mem=32G" in scripts[1]] == [True, True]
    assert not out.exists()
    assert keep_plan(file, out) == plan.word and planned(out, out).tasks == plan.tasks


def test_amounts_of_memory():
    assert [as_bytes(text) for text in ("8GB", "500 mb", "2t", "12", "1.5G")] == [8e9, 5e8, 2e12, 12, 1.5e9]
    with pytest.raises(ValueError, match="'much' is not an amount of memory"):
        as_bytes("much")


def test_tables_are_written_by_their_suffix(tmp_path):
    table = pd.DataFrame({"a": [1, 2]})
    for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
        write_table(table, tmp_path / f"table{suffix}")
        pd.testing.assert_frame_equal(read(tmp_path / f"table{suffix}"), table)
    with pytest.raises(ValueError, match=r"must end in .parquet or .csv"):
        write_table(table, tmp_path / "table.txt")
