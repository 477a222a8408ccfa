"""Files that appear under their names only when all of them are complete."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


@contextmanager
def staged_folder(out: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a scratch folder whose content moves to ``out`` if the block succeeds, and is deleted if it does not.

    Files of the same names in ``out`` are replaced, others stay. A `NotADirectoryError` says if ``out`` is a file.
    """
    target = Path(out).expanduser().absolute()
    if target.exists() and not target.is_dir():
        msg = f"{str(target)!r} must be a folder, but is a file."
        raise NotADirectoryError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system as the target, where a move is a rename
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield scratch
        target.mkdir(exist_ok=True)
        for item in sorted(scratch.iterdir()):
            final = target / item.name
            if final.is_dir() and not final.is_symlink():
                shutil.rmtree(final)
            item.replace(final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
