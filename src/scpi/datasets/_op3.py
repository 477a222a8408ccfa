"""Files of the Open Problems benchmark of perturbation prediction (OP3)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from scpi._replace import replaced
from scpi._settings import settings
from scpi._slots import listed
from scpi.datasets._download import RemoteFile, fetch
from scpi.datasets._op3_design import CELL_TYPE, COMPOUND
from scpi.datasets._read_h5ad import open_h5ad

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from anndata import AnnData

logger = logging.getLogger(__name__)

# The folder that the published runs of the benchmark read, which publishes no hashes
HOME = "https://openproblems-data.s3.amazonaws.com/resources/task_perturbation_prediction/datasets"
_FOLDER = "neurips-2023-data"
_SUFFIX = ".sha256"


class OP3Files(NamedTuple):
    """Files of OP3, under the names of the arguments of :func:`scpi.benchmark.score_op3`."""

    de_train: AnnData
    """Conditions to learn from, with tests in ``layers``."""
    de_test: AnnData
    """Conditions to predict."""
    id_map: pd.DataFrame
    """Number, cell type and compound of each condition to predict."""


def op3(
    *, known_hashes: Mapping[str, str] | None = None, base_url: str | None = None, progress: bool = False
) -> OP3Files:
    """Load the tables of conditions of Open Problems' perturbation prediction (OP3, NeurIPS 2023).

    Signed log p-values and fold changes of 140 compounds in four types of blood cells (Szałata et al., NeurIPS 2024). The files are those
    from which the published runs of the benchmark read, about 0.2 GB; their home states no licence beside them. They are
    downloaded once and cached in the folder `neurips-2023-data` of ``scpi.settings.datasetdir``. Files that are there already are read as
    they are.

    Parameters
    ----------
    known_hashes
        Hashes of the files `de_train`, `de_test` and `id_map`, such as ``{"de_train": "sha256:..."}``, against which they are
        verified. No hashes are published: for files without one, the hash of the first download is logged and
        recorded beside the file, and later downloads are verified against it.
    base_url
        URL of another folder that contains the folder `neurips-2023-data`, such as a mirror.
    progress
        Whether to show the progress of the downloads.

    Returns
    -------
    ``de_train`` and ``de_test``, conditions x genes with `cell_type` and `sm_name` in `obs` and the tests in `layers`, and ``id_map``, a
    DataFrame with `id`, `cell_type` and `sm_name`: the arguments of :func:`scpi.benchmark.score_op3`.

    Raises
    ------
    ConnectionError
        If a file cannot be downloaded.
    ValueError
        If a file is damaged, has another hash or lacks a column, or a hash is given for an unknown file.
    """
    unknown = sorted(set(known_hashes or ()) - set(OP3Files._fields))
    if unknown:
        msg = f"`known_hashes` names {listed(unknown)}, but the files are {listed(OP3Files._fields)}."
        raise ValueError(msg)

    def load(name: str, suffix: str, read: Callable[[Path], Any]) -> Any:
        known_hash = (known_hashes or {}).get(name)
        return _load(f"{name}{suffix}", read, known_hash, base_url=base_url, progress=progress)

    return OP3Files(
        de_train=load("de_train", ".h5ad", _read_conditions),
        de_test=load("de_test", ".h5ad", _read_conditions),
        id_map=load("id_map", ".csv", _read_id_map),
    )


def _load(
    name: str, read: Callable[[Path], Any], known_hash: str | None, *, base_url: str | None, progress: bool
) -> Any:
    """Fetch and read a file, whose hash is the given one, or else the one recorded when it was first read."""
    import pooch

    path = settings.datasetdir / _FOLDER / name
    record = path.with_name(name + _SUFFIX)
    recorded = record.read_text(encoding="utf-8").strip() if record.exists() else None
    file = RemoteFile(f"{_FOLDER}/{name}", HOME, known_hash or recorded)
    try:
        fetch(file, base_url=base_url, progress=progress)
    except ValueError as error:
        if known_hash is not None:
            raise
        msg = f"{error} The hash is that of the first download: delete {str(record)!r} to accept another file."
        raise ValueError(msg) from error
    found = read(path)
    if known_hash is None and recorded is None:
        # Only of a file that could be read: a download that ended early is not what later ones are compared with
        digest = f"sha256:{pooch.file_hash(str(path), alg='sha256')}"
        with replaced(record) as scratch:
            scratch.write_text(f"{digest}\n", encoding="utf-8")
        logger.info("%s has the hash %s, which is recorded in %s", name, digest, record)
    return found


def _read_conditions(path: Path) -> AnnData:
    from anndata import AnnData

    with open_h5ad(path) as stored:
        # The files have no X, without which backed data cannot be loaded as a whole
        layers = {name: stored.layers[name] for name in stored.layers if name is not None}
        adata = AnnData(obs=stored.obs.copy(), var=stored.var.copy(), uns=dict(stored.uns), layers=layers)
    _check_columns(adata.obs, (CELL_TYPE, COMPOUND), path)
    return adata


def _read_id_map(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    _check_columns(table, ("id", CELL_TYPE, COMPOUND), path)
    return table


def _check_columns(table: pd.DataFrame, names: tuple[str, ...], path: Path) -> None:
    missing = [name for name in names if name not in table]
    if missing:
        msg = f"{str(path)!r} is not the file of OP3: it lacks the column(s) {listed(missing)}. Delete it to have it downloaded again."
        raise ValueError(msg)
