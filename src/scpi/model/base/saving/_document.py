"""The document of a saved model: JSON behind a checksum of its own."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = "scpi model"
VERSION: Final = 1
"""Version of the format of saved models, which rises when an older scpi could not read what this one writes."""

# Every version begins like this, so that an older scpi knows a newer one
_HEAD: Final = '{"crc32": "%08x",\n'
_BLOCK: Final = 2**22


def checks(path: Path) -> dict[str, Any]:
    """Size and checksum of a file."""
    size = crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return {"bytes": size, "crc32": f"{crc:08x}"}


def damaged(path: Path, why: object) -> ValueError:
    """Error to raise about a damaged file."""
    why = " ".join(str(why).split())
    return ValueError(f"{str(path)!r} is damaged ({why}): take another copy of the folder, or save the model again.")


def write_document(path: Path, entries: dict[str, Any]) -> None:
    """Write entries, one per line."""
    entries = {"format": FORMAT, "version": VERSION} | entries
    lines = (
        f"{json.dumps(name)}: {json.dumps(entry, separators=(',', ':'), allow_nan=False)}"
        for name, entry in entries.items()
    )
    body = (",\n".join(lines) + "\n}\n").encode()
    path.write_bytes((_HEAD % zlib.crc32(body)).encode() + body)


def read_document(path: Path) -> dict[str, Any]:
    """Entries of a document that is as it was written.

    Raises
    ------
    ValueError
        If it is damaged, was not written by scpi, or by a newer one.
    """
    content = path.read_bytes()
    head = (_HEAD % 0).encode()
    try:
        entries = json.loads(content, parse_constant=_refuse)
        form, version = entries.get("format"), entries.get("version")
    except (ValueError, AttributeError, RecursionError) as error:
        raise damaged(path, error) from error
    if content[: len(head)] != (_HEAD % zlib.crc32(content[len(head) :])).encode():
        if form != FORMAT and not content.startswith(head[:11]):
            msg = f"{str(path)!r} was not saved by scpi: give the folder of a model of scpi."
            raise ValueError(msg)
        raise damaged(path, "its checksum is wrong")
    if type(version) is int and version > VERSION:
        msg = (
            f"{str(path)!r} was saved by a newer scpi, in format {version}, and this one reads formats up to {VERSION}: "
            "update scpi."
        )
        raise ValueError(msg)
    if form != FORMAT or type(version) is not int or version != VERSION:
        raise damaged(path, f"format {form!r}, version {version!r}")
    found: dict[str, Any] = entries
    return found


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)
