"""Hashes of files, from a cache if a file has not changed since it was last read."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING

from scpi._replace import replaced

if TYPE_CHECKING:
    from pathlib import Path

# A file written just now may be written again with the same modification time
_SETTLED = 2.0


class Contents:
    """Hashes of the content of files and of folders of files. They are kept in ``cache`` if its folder exists."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, list[str]] = {}
        if cache.is_file():
            try:
                self._known = dict(json.loads(cache.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                # The cache only saves time
                self._known = {}

    def word(self, path: Path) -> str:
        """Hash of the content; a `FileNotFoundError` if there is nothing at the path."""
        if not path.exists():
            msg = f"There is no file {str(path)!r}."
            raise FileNotFoundError(msg)
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        stats = [one.stat() for one in files]
        names = [one.relative_to(path).as_posix() for one in files]
        state = _hash(*(f"{n} {s.st_size} {s.st_mtime_ns}" for n, s in zip(names, stats, strict=True)))
        known = self._known.get(str(path))
        if known is not None and known[0] == state:
            return known[1]
        word = _hash(*(f"{name} {_of_file(one)}" for name, one in zip(names, files, strict=True)))
        if time.time() - max((s.st_mtime for s in stats), default=0.0) > _SETTLED:
            self._keep(path, state, word)
        return word

    def _keep(self, path: Path, state: str, word: str) -> None:
        self._known[str(path)] = [state, word]
        if self._cache.parent.is_dir():
            with replaced(self._cache) as scratch:
                scratch.write_text(json.dumps(self._known, indent=1), encoding="utf-8")


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _hash(*lines: str) -> str:
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
