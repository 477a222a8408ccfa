"""Training and scoring of models over splits and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scpi._docs import fill
from scpi._keys import Key
from scpi._model_names import joined
from scpi._quiet import quiet_lightning
from scpi._scoring._conventions import EXCLUDE_TARGETS, N_CELLS, N_COMPONENTS
from scpi._scoring._metrics import check_metrics
from scpi._scoring._noise_ceiling import CEILING, PERFECT
from scpi._scoring._same_models import same_models
from scpi._sequence import as_list
from scpi._slots import listed
from scpi._warn import warn_user
from scpi.benchmark._check_models import check_models
from scpi.benchmark._model_spec import ModelSpec
from scpi.benchmark._run import Run
from scpi.benchmark._task import make_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

    from scpi._scoring._rows import Rows
    from scpi._screen._labels import Control
    from scpi._screen._split import Split
    from scpi.model.base import ScreenModel


@fill
def evaluate(
    adata: AnnData,
    models: Mapping[str, ModelSpec | type[ScreenModel]],
    splits: Sequence[Split] | Split,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    dose_key: str | None = None,
    layer: str | None = None,
    rows: Rows = "cells",
    halves: tuple[str, str] | None = None,
    metrics: Sequence[str] | str | None = None,
    seeds: Sequence[int] | int = (0, 1, 2),
    n_cells: int = N_CELLS,
    n_components: int | None = N_COMPONENTS,
    exclude_targets: bool = EXCLUDE_TARGETS,
    ceiling: bool = True,
    out: str | Path | None = None,
    keep_predictions: bool | str | Path = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Train models on the training cells of splits, and score their predictions of the test cells.

    Every model predicts every condition (context, perturbation and dose) of the test cells, starting from the control
    cells that the split provides for this. The measured change is relative to the reference controls of the split.
    The table also contains two rows of :func:`scpi.benchmark.noise_ceiling`: one half of the measured cells as a
    prediction of the other, and the expected score of a perfect prediction.

    All models are set up and built once before the first is trained, and the names of their training arguments are
    checked, so that mistakes are found at the start. A model that fails in training or prediction does not stop the
    others: the error is raised at the end.

    Parameters
    ----------
    %(adata)s
    models
        Models by their names in the table: classes, or :class:`ModelSpec` for models with arguments.
    splits
        Splits of the cells, from the functions of ``scpi.benchmark.splits``.
    perturbation_key, control, delimiter, context_key, dose_key
        Columns and format of the labels, as in ``setup_anndata`` of the models, to which they are passed.
    layer
        Entry of ``adata.layers`` with the log-normalised expression on which all predictions are compared; ``adata.X``
        if ``None``. Models read it too, unless they specify another layer.
    %(rows)s
    %(halves)s
    %(metrics)s
    seeds
        Seeds, or one; each model is trained once per seed.
    %(n_cells)s
    %(n_components)s
    %(exclude_targets)s
    ceiling
        Whether to add the rows of the noise ceiling.
    out
        Folder in which the result of every training is stored. A stored result is reused if its fingerprint matches.
        The fingerprint covers the model and its settings, the data that it reads, the cells of the split, labels,
        metrics, seed and the version of scpi. Each file records them.
    keep_predictions
        Folder for the predicted cells, one ``.h5ad`` file per model, split and seed, named like the file of its scores.
        With ``True``, the folder ``out``. ``obs`` contains the condition of each cell. If ``out`` is given too,
        existing files are not written again.
    progress
        Whether to show a progress bar.

    Returns
    -------
    Table with one row per model, split, seed and condition: ``model``, ``split``, ``seed``, ``context``,
    ``perturbation``, ``dose``, ``n_cells`` (measured cells, or rows), ``seconds`` (training time), and the scores, NaN
    if there are too few cells. :func:`scpi.benchmark.summarise` averages them, with
    ``pair_by=["split", "seed", "context", "perturbation", "dose"]``.

    Raises
    ------
    KeyError
        If a column or layer does not exist.
    RuntimeError
        If a model failed; the results of the others are in ``out``.
    TypeError
        If results are to be stored and a setting cannot be serialised.
    ValueError
        If there is no model or split, a model cannot be set up, built or trained with the given arguments, a metric is
        unknown, or the expression is not log-normalised. If rows are conditions, also if a metric or a model needs
        cells. Also if rows count as cells, although each condition has one row.

    Warns
    -----
    UserWarning
        If a file of ``out`` is damaged (its result is computed again), or if models made identical predictions
        everywhere, as many baselines do with a single training context.
    """
    seeds = as_list(seeds)
    if not models or not seeds:
        msg = f"There are {len(models)} models and {len(seeds)} seeds: give at least one of each."
        raise ValueError(msg)
    if ceiling and (taken := {CEILING, PERFECT} & set(models)):
        msg = f"{listed(sorted(taken))} names a row of the noise ceiling: give the model another name, or `ceiling=False`."
        raise ValueError(msg)
    if keep_predictions is True and out is None:
        msg = (
            "`keep_predictions=True` keeps predicted cells beside the scores, in the folder `out`, which is not given: give "
            "`out='results'`, or a folder of their own, `keep_predictions='predictions'`."
        )
        raise ValueError(msg)
    specs = {name: model if isinstance(model, ModelSpec) else ModelSpec(model=model) for name, model in models.items()}
    tasks = make_tasks(
        adata,
        splits,
        setup={
            "perturbation_key": perturbation_key,
            "control": control,
            "delimiter": delimiter,
            "context_key": context_key,
            "dose_key": dose_key,
        },
        layer=layer,
        metrics=check_metrics(metrics, rows),
        n_cells=n_cells,
        n_components=n_components,
        exclude_targets=exclude_targets,
        rows=rows,
        halves=halves,
    )
    folder = None if out is None else Path(out)
    cells = folder if keep_predictions is True else Path(keep_predictions) if keep_predictions else None
    wanted: dict[str, ModelSpec | None] = {**specs, **({CEILING: None} if ceiling else {})}
    runs = [
        Run(name=name, spec=spec, task=task, seed=seed, out=folder, predictions=cells)
        for task in tasks
        for seed in seeds
        for name, spec in wanted.items()
    ]
    tables = [run.kept() for run in runs]
    to_train = {run.name: run.spec for run, table in zip(runs, tables, strict=True) if table is None and run.spec}
    failures: list[tuple[str, Exception]] = []
    with quiet_lightning(), _progress(shown=progress) as bar:
        check_models(tasks[0], to_train, seed=seeds[0])
        shown = bar.add_task("", total=len(runs))
        for place, run in enumerate(runs):
            bar.update(shown, description=run.title, completed=place)
            if tables[place] is None:
                try:
                    tables[place] = run.do()
                except Exception as error:  # noqa: BLE001 - that of somebody's model, which must not end the others
                    failures.append((run.title, error))
        bar.update(shown, description="Evaluated", completed=len(runs))
    if failures:
        problems = "; ".join(f"{title}: {type(error).__name__}: {error}" for title, error in failures)
        rest = "Name a folder (`out=`) to keep the others." if folder is None else f"The others are in {str(folder)!r}."
        msg = f"{len(failures)} of {len(runs)} runs failed. {rest} {problems}"
        raise RuntimeError(msg) from failures[0][1]
    table = pd.concat(tables, ignore_index=True)
    if same := same_models(table):
        groups = "; ".join(map(joined, same))
        warn_user(f"Models made the same predictions in every split with every seed, and count as one: {groups}.")
    return table


def _progress(*, shown: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
