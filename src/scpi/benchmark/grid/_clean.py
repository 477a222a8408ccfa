"""Removal of leftovers of killed processes."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from scpi.benchmark.grid._attempt import look, owner_of
from scpi.benchmark.grid._run_task import give_up

if TYPE_CHECKING:
    from scpi.benchmark.grid._folder import Folder


def clean(folder: Folder) -> None:
    """Remove what attempts that are dead were writing, and note that they were killed."""
    for path in list(folder.scratch.iterdir()):
        task, _, number = path.name.partition(".")
        state, latest = look(folder, task)
        # Another machine may be cleaning too
        with suppress(OSError):
            if state == "lost" and int(number) == latest:
                where = owner_of(folder, task, latest).get("host", "an unknown machine")
                give_up(folder, path.name, kind="killed", reason=f"killed with what had started it, on {where}")
            elif state != "running" or int(number) < latest:
                shutil.rmtree(path)
