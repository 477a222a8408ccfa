"""A new file whose layers are written some cells at a time."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anndata import AnnData

_SUFFIXES = (".h5ad", ".zarr")


def new_file(path: str | Path) -> Path:
    """Path of a file that is to be written; a `ValueError` or `FileExistsError` if it cannot be."""
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        msg = f"`out` must end in {' or '.join(map(repr, _SUFFIXES))}, but is {str(path)!r}."
        raise ValueError(msg)
    if path.exists():
        msg = f"{path} exists. Name a new file with `out`, or delete that one."
        raise FileExistsError(msg)
    return path


def write_layers(path: Path, annotations: AnnData, blocks: Iterable[Mapping[str, Any]]) -> None:
    """Write annotations and layers to a new h5ad file or zarr store, which appears under its name when it is complete.

    Parameters
    ----------
    path
        Name of the file.
    annotations
        What the file holds besides the layers.
    blocks
        Layers of some cells after others, by name, in CSR format.
    """
    from anndata.io import sparse_dataset, write_elem

    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".scpi-", dir=path.parent))
    try:
        scratch = folder / path.name
        with _created(scratch) as file:
            write_elem(file, "/", annotations)
            for number, block in enumerate(blocks):
                for name, values in block.items():
                    if number == 0:
                        write_elem(file, f"layers/{name}", values)
                    else:
                        sparse_dataset(file[f"layers/{name}"]).append(values)
        scratch.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _created(path: Path) -> Iterator[Any]:
    if path.suffix == ".h5ad":
        import h5py

        with h5py.File(path, "w") as file:
            yield file
    else:
        import zarr

        yield zarr.open_group(path, mode="w")
        zarr.consolidate_metadata(path)
