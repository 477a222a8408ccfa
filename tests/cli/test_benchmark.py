"""``scpi benchmark``: grids from the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from scpi.benchmark.grid import Grid, collect, ready_grid, run_task, status, table_hash
from scpi.cli import app

GRID = """
data:
  planted:
    simulator: plant_screen
    seed: 0
    arguments: {n_perturbations: 3, n_cells: 12, n_control: 40, n_decoy_sets: 0}
    normalise: true
splits:
  cells: {by: random_cells, arguments: {n_splits: 2}}
models:
  nothing: NoChange
  broken: {model: NoChange, init: {no_such_argument: 1}}
metrics: [rmse]
seeds: [0]
ceiling: false
"""
FINE = GRID.replace("  broken: {model: NoChange, init: {no_such_argument: 1}}\n", "")


def run(*arguments):
    return CliRunner().invoke(app, ["benchmark", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(FINE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "command", [[], ["grids"], ["run"], ["tune"], ["status"], ["collect"], ["report"], ["run-task"]]
)
def test_help(command):
    result = run(*command, "--help")
    assert result.exit_code == 0 and "Usage" in result.output


def test_one_task_after_the_other_as_workflow_managers_do(file, tmp_path):
    planned = json.loads(run("run", file, "--dry-run", "--json").stdout)
    assert planned["n_tasks"] == 2 and not (tmp_path / "grid").exists()
    first, second = (task["hash"] for task in planned["tasks"])
    assert run("run-task", file, first).exit_code == 0
    assert run("status", file).exit_code == 75
    result = run("collect", file, "--json")
    assert (result.exit_code, json.loads(result.stdout)["finished"]) == (75, 1)
    assert run("run-task", tmp_path / "grid", second[:8], "--wait").exit_code == 0
    result = run("status", tmp_path / "grid", "--json")
    assert (result.exit_code, json.loads(result.stdout)["finished"]) == (0, 2)
    assert f"{second}  finished" in run("status", file, "--tasks").stdout
    result = run("collect", file, "--table", tmp_path / "t.csv", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["hash"] == table_hash(collect(tmp_path / "grid"))
    result = run("report", file, "--json", "--title", "Nothing")
    said = json.loads(result.stdout)
    assert result.exit_code == 0 and said["finished"] == 2 and "ranking" in said["tables"]
    assert "<h1>Nothing</h1>" in (tmp_path / "grid" / "report" / "report.html").read_text(encoding="utf-8")
    assert "2 of 2 tasks" in run("collect", file).stdout and (tmp_path / "grid" / "table.parquet").is_file()
    # Nothing is left to do, so that no process is started
    result = run("run", file)
    assert result.exit_code == 0 and "2 tasks: 2 finished." in result.stdout
    assert "2 tasks, of which 2 are finished" in run("run", tmp_path / "grid", "--dry-run").stdout


def test_a_task_that_fails(file, tmp_path):
    file.write_text(GRID, encoding="utf-8")
    (broken,) = (
        task["hash"]
        for task in json.loads(run("run", file, "--dry-run", "--json").stdout)["tasks"]
        if task["model"] == "broken" and task["fold"] == 0
    )
    assert run("run-task", file, broken).exit_code == 1
    result = run("status", file)
    assert result.exit_code == 1 and "no_such_argument" in result.stdout
    assert status(tmp_path / "grid").counts["failed"] == 1
    assert run_task(tmp_path / "grid", broken, log=False) == "failed"


def test_the_script_for_slurm_is_printed(file, tmp_path):
    options = ("--limit", 3, "--memory", "16G", "--time-limit", "1:00:00", "--option", "partition=gpu", "--threads", 2)
    result = run("run", file, "--executor", "slurm", "--dry-run", *options)
    assert result.exit_code == 0 and not (tmp_path / "grid").exists()
    for line in ("array=0-1%3", "mem=16G", "time=1:00:00", "partition=gpu", "cpus-per-task=2"):
        assert f"#SBATCH --{line}\n" in result.stdout


@pytest.mark.parametrize(
    ("command", "text", "message"),
    [
        (["run"], FINE.replace("NoChange", "NoChang"), "line 11, models.nothing.model: unknown model 'NoChang'"),
        (["run", "--memory", "much"], FINE, "'much' is not an amount of memory"),
        (["run", "--executor", "dask"], FINE, "needs the address of a scheduler"),
        (["tune"], FINE, "models: none has 'tune'"),
        (["status"], FINE, "holds no grid"),
        (["collect"], FINE, "holds no grid"),
        (["report"], FINE, "holds no grid"),
    ],
)
def test_mistakes_are_one_line(file, command, text, message):
    file.write_text(text, encoding="utf-8")
    result = run(command[0], file, *command[1:])
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert message in " ".join(result.output.split())


def test_packaged_grids_are_listed_and_printed(tmp_path):
    result = run("grids")
    assert result.exit_code == 0 and "kang\n    Kang et al. 2018" in result.stdout
    assert {row["grid"] for row in json.loads(run("grids", "--json").stdout)["grids"]} >= {"kang", "planted", "sena"}
    path = tmp_path / "kang.yaml"
    path.write_text(run("grids", "kang").stdout, encoding="utf-8")
    assert Grid.read(path).to_dict() == ready_grid("kang").to_dict()
    result = run("grids", "kanh")
    assert result.exit_code == 2 and "did you mean 'kang'?" in " ".join(result.output.split())


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "scpi.cli", "benchmark", "--help"]
    assert "run-task" in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_where_tasks_stand_is_known_without_heavy_libraries(file, tmp_path):
    run("run", file, "--dry-run", "--debug")
    script = (
        "import sys; from typer.testing import CliRunner; from scpi.cli import app; "
        f"CliRunner().invoke(app, ['benchmark', 'status', {str(tmp_path)!r}]); "
        "print(*{'torch', 'scvi', 'scanpy', 'lightning', 'pandas', 'scipy', 'anndata'} & sys.modules.keys())"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split() == []
    )
