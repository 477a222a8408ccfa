"""Results in files: one line per task while a benchmark runs, then one summary and one file that says what made it.

``results/name.jsonl`` holds the tasks, ``results/name.json`` what the documentation shows, and ``results/name.meta.json``
the version, commit, packages, machine and date of the summary, with its hash: a summary changed by hand is found.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scpi._versions import versions

RESULTS = Path(__file__).parent / "results"


class Tasks(Mapping[str, Any]):
    """Results of tasks by name, in name order, kept in a file of JSON lines: an interrupted run resumes.

    A later line replaces an earlier one of the same name. A line is appended by one write, so that processes may share a
    file.
    """

    def __init__(self, out: Path) -> None:
        self.path = out.with_suffix(".jsonl")

    def _read(self) -> dict[str, Any]:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        found = {row["task"]: row["result"] for row in map(json.loads, lines)}
        return {name: found[name] for name in sorted(found)}

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def add(self, name: str, result: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"task": name, "result": result}) + "\n"
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode())


def store(path: Path, found: Any) -> None:
    """Write a summary, and beside it what made it."""
    path = path.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".meta.json").write_text(json.dumps(provenance(path), indent=1) + "\n", encoding="utf-8")


def provenance(path: Path) -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _git("rev-parse", "HEAD"),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "sha256": digest(path),
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git(*words: str) -> str | None:
    """Answer of git, or ``None`` outside of a checkout."""
    done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
