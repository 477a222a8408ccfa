"""The folder that a run writes to."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


def output_folder(out: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Absolute path of a folder that can be written to; nothing is left there.

    Raises
    ------
    NotADirectoryError
        If it, or a parent, is a file.
    FileExistsError
        If it holds files, and ``overwrite`` is not set.
    OSError
        If it cannot be written to.
    """
    target = Path(out).expanduser().absolute()
    there = next(path for path in (target, *target.parents) if path.exists())
    if not there.is_dir():
        msg = f"{str(there)!r} must be a folder, but is a file."
        raise NotADirectoryError(msg)
    if there == target and not overwrite and any(target.iterdir()):
        msg = (
            f"{str(target)!r} holds files: choose another folder, or replace its results by `overwrite=True` (--force)."
        )
        raise FileExistsError(msg)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        msg = f"{str(there)!r} cannot be written to: {error}"
        raise OSError(msg) from error
    return target
