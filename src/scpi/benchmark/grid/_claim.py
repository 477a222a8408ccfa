"""Work that one process at a time may do in a folder."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from scpi.benchmark.grid._attempt import Attempt, begin, kept_alive, look, owner_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scpi.benchmark.grid._folder import Folder


@contextmanager
def only_one(folder: Folder, what: str, *, heartbeat: float) -> Iterator[None]:
    """Do something in a folder alone; a `RuntimeError` names the process that does it already.

    It is an attempt as those at tasks are: one whose process is gone, or silent on another machine, does not count.
    """
    attempt = begin(folder, what, heartbeat=heartbeat)
    if not isinstance(attempt, Attempt):
        owner = owner_of(folder, what, look(folder, what)[1])
        who = f"process {owner.get('pid')} on {owner.get('host')}" if owner else "another process"
        msg = f"{who} is at the {what} of {str(folder.root)!r}: wait until it has ended, or end it."
        raise RuntimeError(msg)
    try:
        with kept_alive(attempt):
            yield
    finally:
        if not attempt.is_superseded:
            attempt.file.unlink(missing_ok=True)
