"""Export of predicted cells of finished tasks to the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd

from scpi._fingerprint import fingerprint
from scpi._keys import Key
from scpi._sequence import as_list
from scpi._store import file_stem
from scpi.benchmark._challenge._export_predictions import FileFormat, export_predictions
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._kinds._prediction import division
from scpi.benchmark.grid._plan import Plan

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from anndata import AnnData

    from scpi.benchmark._task import Task
    from scpi.benchmark.grid._grid_task import GridTask

_WORD = 8


def export(
    out: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    plan: str | None = None,
    file_format: FileFormat = "cell-eval",
    models: Sequence[str] | str | None = None,
    n_cells: int | None = None,
) -> list[Path]:
    """Write the predicted cells of the finished tasks of a grid for cell-eval or the Virtual Cell Challenge.

    Each fold of the data gets a folder with one file per model and seed, in the format of
    :func:`scpi.benchmark.export_predictions`. For cell-eval, the folder also contains the measured cells of the fold as
    ``measured.h5ad``, and the control cells of both are the reference controls of the grid. Cells at different doses
    have different labels, such as ``"A at 10"``.

    Parameters
    ----------
    out
        Folder of the grid, which must have ``keep_predictions: true``.
    to
        Folder for the files.
    plan
        Hash of the plan; the newest of the folder if ``None``.
    file_format
        ``"cell-eval"``, for log-normalised expression, or ``"vcc"``, for the counts of the predicted cells.
    models
        Names of models; all if ``None``.
    n_cells
        Number of predicted cells of each perturbation in each context; all if ``None``.

    Returns
    -------
    Paths of the files.

    Raises
    ------
    FileNotFoundError
        If the folder holds no grid.
    ValueError
        If there are no predicted cells of the models, or no counts for the challenge.
    """
    folder = Folder(Path(out).expanduser().absolute())
    read = Plan.read(folder, plan)
    known = list(read.grid.variants())
    wanted = known if models is None else as_list(models)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        msg = f"{unknown} are not models of the grid, which has {known}."
        raise ValueError(msg)
    tasks = [task for task in read.tasks if task.model in wanted and _stored(folder, task).is_file()]
    if not tasks:
        msg = f"No task of {wanted} has predicted cells: `keep_predictions: true` in the grid keeps the cells of tasks that run afterwards."
        raise ValueError(msg)
    files: list[Path] = []
    divisions: dict[tuple[str, str, int], list[GridTask]] = {}
    for task in tasks:
        divisions.setdefault((task.data, task.scheme, task.fold), []).append(task)
    for key, own in divisions.items():
        target = Path(to) / file_stem(*key[:2], own[0].split, fingerprint=fingerprint(list(key))[:_WORD])
        target.mkdir(parents=True, exist_ok=True)
        data = read.grid.data[key[0]]
        has_doses = data.dose_key is not None
        options: dict[str, Any] = {"file_format": file_format, "perturbation_key": Key.obs.PERTURBATION}
        options["context_key"] = None if data.context_key is None else Key.obs.CONTEXT
        controls = None
        if file_format == "cell-eval":
            measured, controls = _measured(division(read, own[0], folder)[1], has_doses=has_doses)
            files.append(target / "measured.h5ad")
            export_predictions(measured, files[-1], controls=controls, **options)
        for task in own:
            predicted = _predicted(_stored(folder, task), has_doses=has_doses)
            if file_format == "vcc" and Key.layers.COUNTS not in predicted.layers:
                msg = (
                    f"{task.model!r} kept no counts, which the challenge requires. Models predict counts if the data have counts and `predict` does "
                    "not ask for means."
                )
                raise ValueError(msg)
            files.append(target / f"{file_stem(task.model, f'seed-{task.seed}', fingerprint=task.hash[:_WORD])}.h5ad")
            layer = Key.layers.COUNTS if file_format == "vcc" else None
            export_predictions(
                predicted, files[-1], layer=layer, controls=controls, n_cells=n_cells, rng=task.seed, **options
            )
    return files


def _stored(folder: Folder, task: GridTask) -> Path:
    return folder.tasks / task.hash / "predictions.zarr.zip"


def _predicted(path: Path, *, has_doses: bool) -> AnnData:
    """Predicted cells of a task, labelled by their conditions."""
    import zarr

    store = zarr.storage.ZipStore(path, mode="r")
    try:
        predicted = ad.read_zarr(store)
    finally:
        store.close()
    if has_doses:
        names = zip(predicted.obs[Key.obs.PERTURBATION], predicted.obs[Key.obs.DOSE], strict=True)
        predicted.obs[Key.obs.PERTURBATION] = [_at_dose(label, dose) for label, dose in names]
    return predicted


def _measured(task: Task, *, has_doses: bool) -> tuple[AnnData, AnnData]:
    """Measured cells of the conditions of a fold, and their reference control cells."""
    rows, labels, contexts = [], [], []
    for one in task.asked():
        columns = task.columns(one)
        label = columns["perturbation"]
        rows.append(one.cells)
        labels += [_at_dose(label, columns["dose"]) if has_doses else label] * len(one.cells)
        contexts += [one.context] * len(one.cells)
    cells, controls = np.concatenate(rows), task.split.reference
    of_controls = task.labels.context[task.labels.where(controls)]
    return _labelled(task, cells, labels, contexts), _labelled(task, controls, ["control"] * len(controls), of_controls)


def _at_dose(label: Any, dose: Any) -> str:
    return f"{label} at {dose:g}" if isinstance(dose, int | float) else f"{label} at {dose}"


def _labelled(task: Task, cells: Any, labels: Sequence[str], contexts: Any) -> AnnData:
    obs = pd.DataFrame({Key.obs.PERTURBATION: labels, Key.obs.CONTEXT: contexts}, index=[str(cell) for cell in cells])
    return ad.AnnData(task.x[cells], obs=obs, var=task.data.var[[]].copy())
