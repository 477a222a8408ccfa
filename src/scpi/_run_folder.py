"""The folder that a run writes to."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from scpi._replace import replaced

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
DOCUMENT: Final = "run.json"
"""File without which the others are not the results of one run: the first to go, and the last to come."""
_UNFINISHED: Final = "unfinished"
_ARGUMENTS: Final = "arguments.json"


def output_folder(out: str | os.PathLike[str], *, overwrite: bool, resume: bool) -> Path:
    """Absolute path of a folder that can be written to; nothing is left there.

    Raises
    ------
    NotADirectoryError
        If it, or a parent, is a file.
    FileExistsError
        If it holds files, and neither ``overwrite`` nor ``resume`` says what becomes of them.
    OSError
        If it cannot be written to.
    """
    target = Path(out).expanduser().absolute()
    there = next(path for path in (target, *target.parents) if path.exists())
    if not there.is_dir():
        msg = f"{str(there)!r} must be a folder, but is a file."
        raise NotADirectoryError(msg)
    is_begun = (target / _UNFINISHED).is_dir()
    if is_begun and not (overwrite or resume):
        msg = (
            f"{str(target)!r} holds a run that was not finished: go on with it by `resume=True`, or start "
            "again by `overwrite=True`."
        )
        raise FileExistsError(msg)
    if there == target and not is_begun and not overwrite and any(target.iterdir()):
        what = "the results of a run, and none to go on with" if (target / DOCUMENT).is_file() else "files"
        msg = f"{str(target)!r} holds {what}: choose another folder, or replace its results by `overwrite=True`."
        raise FileExistsError(msg)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        msg = f"{str(there)!r} cannot be written to: {error}"
        raise OSError(msg) from error
    return target


class RunFolder:
    """What a run makes, each part kept as soon as it is complete, and moved into its folder when all are.

    Until then the parts are in the subfolder ``unfinished``, from where another run goes on, and the results of an earlier
    run stay. Nothing is kept if ``out`` is ``None``.
    """

    def __init__(self, out: Path | None, *, resume: bool) -> None:
        self.out, self._resume = out, resume
        self._arguments: dict[str, Any] = {}

    def begin(self, arguments: Mapping[str, Any]) -> None:
        """Start a run, or go on with an unfinished one, which must have had the same arguments.

        These are as JSON holds them.

        Raises
        ------
        ValueError
            If it had others.
        """
        self._arguments = dict(arguments)
        if self.out is None or not self._work.is_dir():
            return
        if not (self._resume and (self._work / _ARGUMENTS).is_file()):
            shutil.rmtree(self._work)
            return
        before = json.loads((self._work / _ARGUMENTS).read_text(encoding="utf-8"))
        changed = [name for name in self._arguments | before if before.get(name) != self._arguments.get(name)]
        if changed:
            was = ", ".join(
                f"{name}: {_short(before.get(name))}, now {_short(self._arguments.get(name))}" for name in changed
            )
            msg = (
                f"The run in {str(self.out)!r} was begun with other arguments or data ({was}): go on with the same, or start again by "
                "`overwrite=True`."
            )
            raise ValueError(msg)

    def part(self, name: str, make: Callable[[], T], write: Callable[[T, Path], Any], read: Callable[[Path], T]) -> T:
        """A part of the results: read where it was kept, else made and kept."""
        if self.out is None:
            return make()
        kept = [path for path in (self._work / name, *self._moved(name)) if path.exists()]
        if kept:
            return read(kept[0])
        value = make()
        self.keep(name, lambda path: write(value, path))
        return value

    def keep(self, name: str, write: Callable[[Path], Any]) -> None:
        """Write a file, or a folder (a name without a suffix), which has to appear as a whole by itself."""
        if self.out is None:
            return
        if not (self._work / _ARGUMENTS).is_file():
            with replaced(self._work / _ARGUMENTS) as scratch:
                scratch.write_text(json.dumps(self._arguments, indent=1) + "\n", encoding="utf-8")
        if Path(name).suffix:
            with replaced(self._work / name) as scratch:
                write(scratch)
        else:
            write(self._work / name)

    def finish(self, names: list[str]) -> None:
        """Move these parts into the folder, in exchange for those of an earlier run; other files there stay."""
        if self.out is None:
            return
        (self.out / DOCUMENT).unlink(missing_ok=True)
        for name in (*names, DOCUMENT):
            if not (self._work / name).exists():
                continue  # moved before the process was killed
            if (self.out / name).is_dir():
                shutil.rmtree(self.out / name)
            (self._work / name).replace(self.out / name)
        shutil.rmtree(self._work)

    @contextmanager
    def said(self) -> Iterator[None]:
        """Say in an error, or on Ctrl-C, what was kept."""
        try:
            yield
        except BaseException as error:
            if self.out is not None and self._work.is_dir():
                error.add_note(f"What was finished is kept in {str(self._work)!r}: go on by `resume=True`.")
            elif isinstance(error, KeyboardInterrupt):
                error.add_note("Nothing was written.")
            raise

    @property
    def _work(self) -> Path:
        assert self.out is not None
        return self.out / _UNFINISHED

    def _moved(self, name: str) -> list[Path]:
        """Where a part is if the process was killed while all were moved."""
        assert self.out is not None
        return [self.out / name] if (self._work / DOCUMENT).is_file() else []


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
