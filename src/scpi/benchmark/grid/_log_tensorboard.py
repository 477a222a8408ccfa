"""Finished tasks as runs of TensorBoard."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from scpi._optional import import_extra
from scpi.benchmark.grid._finished import finished_tasks

if TYPE_CHECKING:
    import os


def log_tensorboard(out: str | os.PathLike[str], log_dir: str | os.PathLike[str], *, plan: str | None = None) -> int:
    """Log the finished tasks of a grid to the hyperparameter page of TensorBoard, each once.

    Parameters
    ----------
    out
        Folder of the grid.
    log_dir
        Folder for the runs, the argument of ``tensorboard --logdir``.
    plan
        Hash of the plan; the newest of the folder if ``None``.

    Returns
    -------
    Number of newly logged tasks.

    Raises
    ------
    FileNotFoundError
        If the folder holds no grid.
    ImportError
        If tensorboard or pyarrow is missing.
    """
    import_extra("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    folder = Path(log_dir).expanduser()
    n_logged = 0
    for one in finished_tasks(out, plan):
        path, scratch = folder / one.task.hash, folder / f".{one.task.hash}"
        if path.is_dir():
            continue
        # Incomplete run of a killed call
        shutil.rmtree(scratch, ignore_errors=True)
        settings = {
            name: value if isinstance(value, bool | int | float | str) else str(value)
            for name, value in one.settings.items()
        }
        with SummaryWriter(str(scratch)) as writer:
            writer.add_hparams(settings, one.metrics, run_name=".", global_step=0)
        scratch.rename(path)
        n_logged += 1
    return n_logged
