"""Files that appear under their names only when they are complete."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a scratch file that replaces ``path`` if the block succeeds, and is deleted if it does not.

    The folder is made. After a kill or a power cut there is the old file or the new one, whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, where a move is a rename
    handle, name = tempfile.mkstemp(prefix=".scpi-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        _give_usual_rights(scratch)
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        scratch.replace(path)
        flush_folder(path.parent)
    finally:
        scratch.unlink(missing_ok=True)


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, on systems that open folders."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _give_usual_rights(scratch: Path) -> None:
    """Let others read a file as any other: scratch files are for their owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    scratch.chmod(0o666 & ~umask)
