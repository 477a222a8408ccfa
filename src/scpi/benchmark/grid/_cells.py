"""Cells of a grid: read, loaded or simulated."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scpi import __version__
from scpi._fingerprint import describe, fingerprint
from scpi._keys import Key
from scpi._replace import replaced
from scpi.benchmark.grid._grid_data import ROOM
from scpi.benchmark.grid._names import look_up

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi.benchmark.grid._contents import Contents
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_data import GridData

_TOTAL = 10_000


def source_word(data: GridData, contents: Contents) -> str:
    """Hash of the source of cells: the content of a file, or a function with its arguments and files named in these."""
    if data.file is not None:
        return contents.word(Path(data.file))
    name = str(data.loader or data.simulator)
    code = describe(look_up(name, ROOM)) if ":" in name else name
    files = {
        key: contents.word(Path(value))
        for key, value in data.arguments.items()
        if isinstance(value, str) and Path(value).is_file()
    }
    return fingerprint([__version__, code, dict(data.arguments), files, data.seed])


def prepare_cells(data: GridData, word: str, folder: Folder) -> Path:
    """File of the cells. The result of a loader or simulator is stored in the folder, so that it runs only once."""
    if data.file is not None:
        return Path(data.file)
    path = _kept_file(word, folder)
    if not path.is_file():
        adata = _called(data)
        with replaced(path) as scratch:
            adata.write_h5ad(scratch)
    return path


def read_cells(data: GridData, word: str, folder: Folder) -> AnnData:
    """Cells for a task."""
    # Read the file back, so that the process that created it gets the same data as others
    adata = _read(prepare_cells(data, word, folder))
    return _normalised(adata) if data.normalise else adata


def read_labels(data: GridData, word: str, folder: Folder) -> AnnData:
    """Columns of the cells without their expression; nothing is written."""
    import anndata as ad

    if data.file is None:
        kept = _kept_file(word, folder)
        return _obs(_read(kept) if kept.is_file() else _called(data))
    path = Path(data.file)
    if path.suffix == ".zarr":
        import zarr

        return ad.AnnData(obs=ad.io.read_elem(zarr.open_group(path, mode="r")["obs"]))
    backed = ad.read_h5ad(path, backed="r")
    try:
        return _obs(backed)
    finally:
        backed.file.close()


def _obs(adata: AnnData) -> AnnData:
    import anndata as ad

    return ad.AnnData(obs=adata.obs.copy())


def _read(path: Path) -> AnnData:
    import anndata as ad

    return ad.read_zarr(path) if path.suffix == ".zarr" else ad.read_h5ad(path)


def _kept_file(word: str, folder: Folder) -> Path:
    return folder.data / f"{word}.h5ad"


def _called(data: GridData) -> AnnData:
    """Result of the loader or simulator."""
    function = look_up(str(data.loader or data.simulator), ROOM)
    seed: dict[str, Any] = {} if data.simulator is None else {"rng": data.seed}
    inspect.signature(function).bind(**data.arguments, **seed)
    return function(**data.arguments, **seed)


def _normalised(adata: AnnData) -> AnnData:
    """Logarithms of counts scaled to 10,000 per cell, with the counts as a layer."""
    import numpy as np
    from scipy import sparse

    from scpi._screen._checks import check_counts

    check_counts(adata.X, name="adata.X", advice="Leave out `normalise`: it is for raw counts.")
    counts = sparse.csr_matrix(adata.X)
    total = np.asarray(counts.sum(1)).ravel()
    scale = np.divide(_TOTAL, total, out=np.zeros(len(total)), where=total > 0)
    adata.layers[Key.layers.COUNTS] = counts
    adata.X = (sparse.diags_array(scale) @ counts).astype(np.float32).log1p().tocsr()
    return adata
