"""A new file whose layers are written some cells at a time."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anndata import read_h5ad
from anndata.io import sparse_dataset, write_elem

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
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".scpi-", dir=path.parent))
    try:
        scratch = folder / path.name
        (annotations.write_h5ad if path.suffix == ".h5ad" else annotations.write_zarr)(scratch)
        with _opened(scratch) as file:
            for number, block in enumerate(blocks):
                for name, values in block.items():
                    if number == 0:
                        write_elem(file.require_group("layers"), name, values)
                    else:
                        sparse_dataset(file[f"layers/{name}"]).append(values)
        scratch.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The root of a file, to which entries are added."""
    if path.suffix == ".h5ad":
        stored = read_h5ad(path, backed="r+")
        try:
            yield stored.file["/"]
        finally:
            stored.file.close()
    else:
        import zarr

        # The list of all entries is written anew when they are there
        yield zarr.open_group(path, mode="r+", use_consolidated=False)
        zarr.consolidate_metadata(path)
