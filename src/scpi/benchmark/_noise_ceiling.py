"""Noise ceiling of predictions, from the measured cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._scoring._conventions import EXCLUDE_TARGETS, N_CELLS, N_COMPONENTS, N_SPLITS
from scpi._scoring._metrics import check_metrics
from scpi._scoring._noise_ceiling import CEILING
from scpi._sequence import as_list
from scpi.benchmark._run import Run
from scpi.benchmark._task import make_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from scpi._scoring._rows import Rows
    from scpi._screen._labels import Control
    from scpi._screen._split import Split


@fill
def noise_ceiling(
    adata: AnnData,
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
    n_splits: int = N_SPLITS,
    n_cells: int = N_CELLS,
    n_components: int | None = N_COMPONENTS,
    exclude_targets: bool = EXCLUDE_TARGETS,
) -> pd.DataFrame:
    r"""Score one half of the measured cells as a prediction of the other, and bound the score of any prediction.

    Both the test cells of a condition and the reference controls are halved at random. The halves have fewer cells than
    the reference of a model, and are noisier: a good prediction can exceed ``"split-half ceiling"``.
    ``"perfect prediction"`` is the score of a noise-free prediction of the expected change against all measured cells.
    If the halves correlate at :math:`r`, two measurements of all cells would correlate at :math:`2 r / (1 + r)`
    (Spearman and Brown), and a perfect prediction correlates with one of them at

    .. math:: \sqrt{\frac{2 r}{1 + r}}

    Parameters
    ----------
    %(adata)s
    splits
        Splits of the cells, from the functions of ``scpi.benchmark.splits``. No model is trained.
    perturbation_key, control, delimiter, context_key, dose_key
        Columns and format of the labels, as in :func:`scpi.benchmark.evaluate`.
    layer
        Entry of ``adata.layers`` with log-normalised expression; ``adata.X`` if ``None``.
    %(rows)s
    %(halves)s
    %(metrics)s
    seeds
        Seeds of the halves, or one.
    n_splits
        Number of random halves to average over, per seed.
    %(n_cells)s
    %(n_components)s
    %(exclude_targets)s

    Returns
    -------
    Table with the rows that :func:`scpi.benchmark.evaluate` adds to those of models. The scores of a perfect prediction
    are NaN for metrics other than correlations, as the formula does not apply to them.

    Raises
    ------
    KeyError
        If a column or layer does not exist.
    ValueError
        If there is no split, a metric is unknown, ``n_splits`` is below 1, or the expression is not log-normalised.
    """
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
    runs = [Run(name=CEILING, spec=None, task=task, seed=seed) for task in tasks for seed in as_list(seeds)]
    return pd.concat([run.ceiling(n_splits) for run in runs], ignore_index=True)
