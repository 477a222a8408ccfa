"""The folder of a saved model."""

from __future__ import annotations

import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anndata import AnnData
from scvi.model.base._constants import SAVE_KEYS

from scpi._replace import flush_folder, replaced
from scpi._versions import versions
from scpi.model.base.saving._arrays import read_arrays, write_arrays
from scpi.model.base.saving._document import checks, damaged, read_document, write_document
from scpi.model.base.saving._pickled import read_pickled
from scpi.model.base.saving._values import Arrays, decode, encode

if TYPE_CHECKING:
    import os

    from mudata import MuData

DOCUMENT: Final = "model.json"
ARRAYS: Final = "model.safetensors"
UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
DATA: Final = (SAVE_KEYS.ADATA_FNAME, SAVE_KEYS.MDATA_FNAME)


class Content(NamedTuple):
    """Saved state of a model."""

    registry: dict[str, Any]
    """Registry of scvi-tools: setup, arguments and state of the fields."""
    attributes: dict[str, Any]
    """Public attributes of the model, whose names end with an underscore."""
    preset: dict[str, Any]
    """Name and settings of the preset; empty for models without one."""
    state: dict[str, Any]
    """Weights and buffers of the module."""


class Saved(NamedTuple):
    """A saved model that was read."""

    path: Path
    """File to name in messages."""
    content: Content
    data: Path | None
    """File of the cells that were saved along."""
    files: dict[str, Any] | None
    """Size and checksum of each file; ``None`` in the format of scvi-tools."""


def write_folder(
    folder: Path, prefix: str, content: Content, data: AnnData | MuData | None, **data_kwargs: Any
) -> None:
    """Write a model and its cells, in exchange for what the folder holds of one with the same prefix.

    The document names the other files and is replaced in one step, so that there is the old model or the new one,
    whenever this ends.
    """
    arrays: Arrays = {}
    encoded = {name: encode(part, name, arrays) for name, part in content._asdict().items()}
    before = _files_of(folder, prefix)
    # A new folder appears as a whole
    place = folder if folder.is_dir() else folder.parent / f".scpi-{uuid.uuid4().hex}"
    place.mkdir(parents=True, exist_ok=True)
    made = [_free(place, f"{prefix}{ARRAYS}")]
    try:
        with replaced(made[0]) as scratch:
            write_arrays(scratch, arrays)
        if data is not None:
            made.append(_free(place, f"{prefix}{DATA[not isinstance(data, AnnData)]}"))
            with replaced(made[1]) as scratch:
                data.write(scratch, **data_kwargs)
        files = {path.name: checks(path) for path in made}
        with replaced(place / f"{prefix}{DOCUMENT}") as scratch:
            write_document(scratch, {"versions": versions(), "files": files} | encoded)
        if place is not folder:
            place.replace(folder)
            flush_folder(folder.parent)
    except BaseException:
        # Ctrl-C can come when the document is there already
        listed = _listed(place, prefix)
        for path in made:
            if path.name not in listed:
                path.unlink(missing_ok=True)
        if place is not folder:
            shutil.rmtree(place, ignore_errors=True)
        raise
    for name in before - {path.name for path in made}:
        # A file that another program holds open can stay: the next save removes it
        with suppress(OSError):
            (folder / name).unlink()


def _free(folder: Path, name: str) -> Path:
    """A path of this name that is free, with a number before the suffix where it is taken."""
    path, number = folder / name, 0
    while path.exists():
        number += 1
        path = (folder / name).with_suffix(f".{number}{Path(name).suffix}")
    return path


def read_folder(dir_path: str | os.PathLike[str], prefix: str | None, *, allow_pickle: bool) -> Saved:
    """Read a saved model. Without ``allow_pickle`` nothing that is read can run code.

    Raises
    ------
    ValueError
        If there is no model, or its files are not those that were written, or they can run code.
    """
    folder, prefix = Path(dir_path), prefix or ""
    document, pickled = folder / f"{prefix}{DOCUMENT}", folder / f"{prefix}{SAVE_KEYS.MODEL_FNAME}"
    if document.is_file():
        return _read(folder, document, prefix)
    if not pickled.is_file():
        what = f"{str(folder)!r} is a file" if folder.is_file() else f"There is no {str(document)!r}"
        msg = f"{what}: give the folder of a saved model, and the `prefix` that it was saved with."
        raise ValueError(msg)
    if not allow_pickle:
        msg = (
            f"{str(pickled)!r} is in the format of scvi-tools, and reading it can run code: if you trust where it comes "
            "from, load it with `allow_pickle=True`, and save the model again."
        )
        raise ValueError(msg)
    data = (folder / f"{prefix}{name}" for name in DATA)
    found = next((path for path in data if path.is_file()), None)
    return Saved(pickled, Content(**read_pickled(pickled)), found, None)


def check_file(path: Path, files: Any) -> None:
    """Refuse a file that is not the one that was saved.

    Parameters
    ----------
    path
        File.
    files
        Size and checksum of each file, as the document has them.

    Raises
    ------
    ValueError
        If it is missing or was changed.
    """
    if not path.is_file():
        msg = f"{str(path)!r} is missing, and the model needs it: use another copy of the folder."
        raise ValueError(msg)
    if not isinstance(files, dict) or checks(path) != files.get(path.name):
        raise damaged(path, "its size or its checksum is wrong")


def _read(folder: Path, document: Path, prefix: str) -> Saved:
    entries = read_document(document)
    files: Any = entries.get("files")
    arrays = folder / _named(files, f"{prefix}{ARRAYS}", document)
    check_file(arrays, files)
    try:
        numbers = read_arrays(arrays)
    except UNREADABLE as error:
        raise damaged(arrays, error) from error
    try:
        content = Content(**{name: decode(entries[name], numbers) for name in Content._fields})
        if not all(isinstance(part, dict) for part in content):
            msg = f"{list(Content._fields)} must be dictionaries"
            raise TypeError(msg)
    except UNREADABLE as error:
        raise damaged(document, repr(error)) from error
    data = (folder / name for name in files if any(_is_named(name, f"{prefix}{known}") for known in DATA))
    return Saved(document, content, next(data, None), files)


def _named(files: Any, name: str, document: Path) -> str:
    """The file that a document names, with or without a number."""
    found = [file for file in files if _is_named(file, name)] if isinstance(files, dict) else []
    if len(found) != 1:
        raise damaged(document, f"it names {len(found)} files {name!r}")
    return found[0]


def _is_named(file: str, name: str) -> bool:
    """Whether a file is of this name, or of this name with a number before the suffix."""
    stem, dot, suffix = name.rpartition(".")
    return re.fullmatch(rf"{re.escape(stem)}(\.[0-9]+)?{re.escape(dot + suffix)}", file) is not None


def _files_of(folder: Path, prefix: str) -> set[str]:
    """Files of the model in a folder, whether or not it can be read, and what a save that was killed left there."""
    if not folder.is_dir():
        return set()
    listed = _listed(folder, prefix)
    there = {path.name for path in folder.iterdir()}
    ours = {name for name in there if _is_named(name, f"{prefix}{ARRAYS}")}
    for known in DATA:
        # The cells under the plain name can be somebody else's
        named = {name for name in there if _is_named(name, f"{prefix}{known}")}
        ours |= named & listed | named - {f"{prefix}{known}"}
    return ours | there & {f"{prefix}{SAVE_KEYS.MODEL_FNAME}"}


def _listed(folder: Path, prefix: str) -> set[str]:
    """Files that the document of a folder names, if there is one that can be read."""
    try:
        return set(read_document(folder / f"{prefix}{DOCUMENT}")["files"])
    except (ValueError, OSError, LookupError, TypeError):
        return set()
