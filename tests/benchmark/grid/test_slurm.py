"""Jobs of a cluster whose commands are scripts on the path: they run the jobs one after another."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from scpi.benchmark.grid import Job, SlurmExecutor, _slurm, collect, run, table_hash

FAKE = """#!{python}
import json, os, re, subprocess, sys
from pathlib import Path

home = Path({home!r})
name = Path(sys.argv[0]).name
with (home / "calls").open("a") as file:
    file.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
if name == "sbatch":
    number = str(100 + len(list(home.glob("*.states"))))
    script = Path(sys.argv[-1])
    last = int(re.search(r"--array=0-(\\d+)", script.read_text())[1])
    lines = []
    for place in range(last + 1):
        environ = os.environ | {{"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": str(place), "SCPI_HOST": "node"}}
        done = subprocess.run(["bash", str(script)], env=environ, capture_output=True, text=True)
        state = {{0: "COMPLETED", 137: "OUT_OF_MEMORY"}}.get(done.returncode, "FAILED")
        lines.append(f"{{number}}_{{place}}|{{state}}")
        (home / f"{{number}}_{{place}}.log").write_text(done.stdout + done.stderr)
    (home / f"{{number}}.states").write_text("\\n".join(lines) + "\\n")
    print(f"{{number}};cluster")
elif name == "sacct":
    for number in sys.argv[-1].split(","):
        print((home / f"{{number}}.states").read_text(), end="")
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    home = tmp_path / "cluster"
    home.mkdir()
    for name in ("sbatch", "squeue", "sacct", "scancel"):
        (home / name).write_text(FAKE.format(python=sys.executable, home=str(home)), encoding="utf-8")
        (home / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    return home


def calls(home, name):
    lines = (json.loads(line) for line in (home / "calls").read_text(encoding="utf-8").splitlines())
    return [call[1:] for call in lines if call[0] == name]


@pytest.mark.slow
def test_the_table_is_that_of_processes(cluster, tiny, tmp_path):
    grid = tiny()
    found = run(grid, tmp_path / "out", executor=SlurmExecutor(poll_every=0.1), progress=False)
    assert found.is_finished, [path.read_text() for path in cluster.glob("*.log")]
    assert len(calls(cluster, "sbatch")) == 1
    run(grid, tmp_path / "local", progress=False)
    assert table_hash(collect(tmp_path / "out")) == table_hash(collect(tmp_path / "local"))


def job(task, **resources):
    return Job(out="/shared/out dir", task=task, plan="plan", heartbeat=30.0, resources=resources)


def test_the_script_of_an_array():
    executor = SlurmExecutor(limit=20, cpus=4, memory="8G", time_limit="2:00:00", options={"partition": "cpu"})
    text = executor.script([job("a"), job("b")], tasks=Path("/shared/out dir/slurm/1.tasks"), options={})
    assert text.splitlines()[:11] == [
        "#!/bin/bash",
        "#SBATCH --job-name=scpi-grid",
        "#SBATCH --array=0-1%20",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --time=2:00:00",
        "#SBATCH --output=/shared/out dir/slurm/%A_%a.log",
        "#SBATCH --partition=cpu",
        "#SBATCH --mem=8G",
        "#SBATCH --requeue",
        "export OMP_NUM_THREADS=4 OPENBLAS_NUM_THREADS=4 MKL_NUM_THREADS=4",
        """task=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" '/shared/out dir/slurm/1.tasks')""",
    ]
    assert text.endswith(
        f"""exec {sys.executable} -m scpi.cli benchmark run-task '/shared/out dir' "$task" --plan plan --heartbeat 30 --wait\n"""
    )


def test_models_that_need_more_are_an_array_of_their_own():
    executor = SlurmExecutor(memory="2G")
    jobs = [job("a"), job("b", mem="16G", gres="gpu:1"), job("c")]
    groups = executor.groups(jobs)
    assert [[one.task for one in group] for _, group in groups] == [["a", "c"], ["b"]]
    assert executor.shrink() == "2 times the memory"
    texts = [executor.script(group, tasks=Path("t"), options=options) for options, group in groups]
    assert "--mem=4G" in texts[0] and "--mem=32G" in texts[1] and "--gres=gpu:1" in texts[1]
    with pytest.raises(ValueError, match="such as '8G', but is 'lots'"):
        SlurmExecutor(memory="lots")


def test_jobs_end_when_the_accounting_says_so(tmp_path, monkeypatch):
    """A job has left the queue before the accounting knows it."""
    said = {"squeue": "7_1\n", "sacct": "7_0|RUNNING\n7_1|PENDING\n7_2|TIMEOUT\n7_3|CANCELLED by 3\n"}
    asked = []

    def call(name, *arguments, ok=(0,)):
        asked.append((name, *arguments))
        return said.get(name, "7;cluster\n")

    monkeypatch.setattr(_slurm, "_call", call)
    executor = SlurmExecutor(poll_every=0)
    jobs = [Job(out=str(tmp_path), task=task, plan="plan", heartbeat=30.0, resources={}) for task in "abcd"]
    assert executor.free() > 1e9 and executor.poll(0) == []
    executor.submit(jobs)
    (tasks,) = (tmp_path / "slurm").glob("*.tasks")
    assert tasks.read_text(encoding="ascii") == "a\nb\nc\nd\n"
    ended = executor.poll(0)
    assert [(one.task, one.reason, dict(one.owner)) for one in ended] == [
        ("c", "ended by Slurm: TIMEOUT", {"job": "7_2"}),
        ("d", "ended by Slurm: CANCELLED", {"job": "7_3"}),
    ]
    said |= {"squeue": "", "sacct": "7_0|COMPLETED\n7_1|FAILED\n"}
    assert [(one.task, one.reason) for one in executor.poll(0)] == [("a", ""), ("b", "")]
    executor.submit(jobs[:1])
    executor.cancel()
    assert asked[-1] == ("scancel", "7") and executor.poll(0) == []


def test_commands_that_fail_or_are_not_there(cluster, monkeypatch):
    (cluster / "sbatch").write_text("#!/bin/sh\necho 'no such partition' >&2\nexit 1\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"sbatch failed \(1\): no such partition"):
        _slurm._call("sbatch", "x")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="no command 'sbatch'"):
        _slurm._call("sbatch", "x")
