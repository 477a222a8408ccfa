"""The folder of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anndata import AnnData
from scvi.model.base._constants import SAVE_KEYS

from scpi._replace import replaced
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
    """What is saved of a model."""

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
    """Write a model and its cells, in exchange for what the folder holds of one with the same prefix."""
    arrays: Arrays = {}
    encoded = {name: encode(part, name, arrays) for name, part in content._asdict().items()}
    with replaced(folder, _files_of(folder, prefix), f"{prefix}{DOCUMENT}") as scratch:
        write_arrays(scratch / f"{prefix}{ARRAYS}", arrays)
        if data is not None:
            data.write(scratch / f"{prefix}{DATA[not isinstance(data, AnnData)]}", **data_kwargs)
        files = {path.name: checks(path) for path in sorted(scratch.iterdir())}
        write_document(scratch / f"{prefix}{DOCUMENT}", {"versions": versions(), "files": files} | encoded)


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
        msg = f"{str(path)!r} is missing, and the model needs it: take another copy of the folder."
        raise ValueError(msg)
    if not isinstance(files, dict) or checks(path) != files.get(path.name):
        raise damaged(path, "its size or its checksum is wrong")


def _read(folder: Path, document: Path, prefix: str) -> Saved:
    entries, arrays = read_document(document), folder / f"{prefix}{ARRAYS}"
    files: Any = entries.get("files")
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
    data = (folder / f"{prefix}{name}" for name in DATA if f"{prefix}{name}" in files)
    return Saved(document, content, next(data, None), files)


def _files_of(folder: Path, prefix: str) -> set[str]:
    """Files of the model in a folder, whether or not it can be read."""
    names = {DOCUMENT, ARRAYS, SAVE_KEYS.MODEL_FNAME}
    try:
        listed = set(read_document(folder / f"{prefix}{DOCUMENT}")["files"])
    except (ValueError, OSError, LookupError, TypeError):
        listed = set()
    return {f"{prefix}{name}" for name in names} | (listed & {f"{prefix}{name}" for name in DATA})
