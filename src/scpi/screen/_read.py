"""Reading a screen from disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from anndata import AnnData
    from mudata import MuData

_SUFFIXES = (".h5ad", ".h5mu", ".zarr")


def read_screen(path: str | os.PathLike[str]) -> AnnData | MuData:
    """Read a file of cells by its suffix: ``.h5ad``, ``.zarr`` or ``.h5mu``.

    Parameters
    ----------
    path
        The file, or the folder of a Zarr store.

    Returns
    -------
    An AnnData, or a MuData from ``.h5mu``, in memory.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If the suffix is unknown, or the file is damaged or of another format.
    """
    path = Path(path).expanduser()
    if path.suffix not in _SUFFIXES:
        msg = f"{str(path)!r} must end in one of {', '.join(_SUFFIXES)}."
        raise ValueError(msg)
    if not path.exists():
        msg = f"There is no file {str(path)!r}."
        raise FileNotFoundError(msg)
    try:
        if path.suffix == ".h5mu":
            import mudata

            return mudata.read_h5mu(path)
        import anndata

        return anndata.read_zarr(path) if path.suffix == ".zarr" else anndata.read_h5ad(path)
    except Exception as error:
        # Which class a broken file raises depends on where it is broken: OSError, KeyError, AttributeError, ...
        msg = f"{str(path)!r} cannot be read as {path.suffix}: {_first_line(error)}"
        raise ValueError(msg) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
