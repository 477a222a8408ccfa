"""Files of a folder that are replaced together."""

from __future__ import annotations

import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@contextmanager
def replaced(folder: Path, old: Iterable[str], last: str) -> Iterator[Path]:
    """Give a scratch folder whose files become those of ``folder`` if the block succeeds, and are deleted if not.

    Parameters
    ----------
    folder
        Folder that receives the files. A new one appears as a whole.
    old
        Files that are deleted; others stay.
    last
        File without which the others count for nothing: the first to go, and the last to come.
    """
    # On the same file system, where a move is a rename
    scratch = (folder if folder.is_dir() else folder.parent) / f".scpi-{uuid.uuid4().hex}"
    scratch.mkdir(parents=True)
    try:
        yield scratch
        if folder.is_dir():
            _exchange(folder, scratch, {*old}, last)
        else:
            scratch.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _exchange(folder: Path, scratch: Path, old: set[str], last: str) -> None:
    """Move files of a folder away and new ones in; all go back if one cannot be moved."""
    new = sorted((path.name for path in scratch.iterdir()), key=lambda name: (name == last, name))
    leaving = sorted({*old, *new}, key=lambda name: (name != last, name))
    (kept := scratch / "old").mkdir()
    moves = [(folder / name, kept / name) for name in leaving if (folder / name).exists()]
    moves += [(scratch / name, folder / name) for name in new]
    done: list[tuple[Path, Path]] = []
    try:
        for source, place in moves:
            source.replace(place)
            done.append((source, place))
    except BaseException:
        for source, place in reversed(done):
            place.replace(source)
        raise
