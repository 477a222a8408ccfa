from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scpi.benchmark.grid._host import machine, started


def test_a_machine_has_one_word():
    assert machine() == machine()
    command = "from scpi.benchmark.grid._host import machine; print(machine())"
    other = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == machine()


def test_a_process_runs_until_it_ends():
    assert started(os.getpid()) == started(os.getpid()) != ""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    first = started(process.pid)
    assert first not in ("", started(os.getpid())) or not Path("/proc").exists()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    # It has ended, but its parent has not asked
    assert started(process.pid) == "" or not Path("/proc").exists()
    process.wait()
    assert started(process.pid) == ""
