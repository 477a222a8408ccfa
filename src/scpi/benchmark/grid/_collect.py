"""One table of all results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scpi._fingerprint import fingerprint
from scpi._optional import import_extra
from scpi._scoring._conventions import NULL_OF
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._grid_model import GridNull
from scpi.benchmark.grid._plan import REFERENCES, Plan

if TYPE_CHECKING:
    import os

    import pandas as pd

_FIRST = ["data", "scheme", "model", "split", "seed"]
_TIMES = ["seconds"]


def collect(out: str | os.PathLike[str], *, plan: str | None = None) -> pd.DataFrame:
    """Collect the scores of all finished tasks of a grid in one table.

    Parameters
    ----------
    out
        Folder of the grid.
    plan
        Hash of the plan; the newest of the folder if ``None``.

    Returns
    -------
    Table with one row per task and condition, in the order of the tasks:

    - ``data`` and ``scheme`` (names of the data and of the split in the grid);
    - the columns of :func:`scpi.benchmark.evaluate`;
    - ``leak_risk`` (``"none"``, ``"low"``, ``"medium"`` or ``"high"``) and ``leaks`` (kinds of findings), from
      :func:`scpi.benchmark.audit_leaks` for the split and the model;
    - ``null_of`` (for a matched null, the name of its model; otherwise empty).

    :func:`scpi.benchmark.summarise` averages the table, with
    ``pair_by=["data", "scheme", "split", "seed", "context", "perturbation", "dose"]``. Besides the noise ceiling, the
    table has rows of three bounds, which :func:`scpi.benchmark.dynamic_range` compares: ``"positive bound"``,
    ``"negative bound"`` and ``"no change bound"``.

    Raises
    ------
    FileNotFoundError
        If the folder holds no grid.
    ImportError
        If pyarrow is missing.
    ValueError
        If no task is finished.
    """
    import pandas as pd

    parquet = import_extra("pyarrow.parquet")
    folder = Folder(Path(out).expanduser().absolute())
    read = Plan.read(folder, plan)
    nulls = {name: model.of for name, model in read.grid.variants().items() if isinstance(model, GridNull)}
    tables = []
    for task in read.tasks:
        if not folder.is_finished(task.hash):
            continue
        table = parquet.read_table(folder.tasks / task.hash / "metrics.parquet").to_pandas()
        # The same result may have been stored under other names
        names = {"data": task.data, "scheme": task.scheme, "split": task.split, NULL_OF: nulls.get(task.model, "")}
        tables.append(table.assign(**names | ({} if task.model in REFERENCES else {"model": task.model})))
    if not tables:
        msg = f"No task of {str(folder.root)!r} is finished: `scpi benchmark status` shows their state."
        raise ValueError(msg)
    joined = pd.concat(tables, ignore_index=True)
    return joined[[*_FIRST, *(name for name in joined if name not in _FIRST)]]


def table_hash(table: pd.DataFrame) -> str:
    """Compute the hash of a table of results, excluding running times.

    Parameters
    ----------
    table
        Result of :func:`scpi.benchmark.grid.collect`.

    Returns
    -------
    32 hexadecimal digits, which are equal for equal numbers.
    """
    return fingerprint(table.drop(columns=_TIMES))
