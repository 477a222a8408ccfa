"""Known ways to game a score, tried on a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._quiet import quiet_lightning
from scpi._rng import as_generator
from scpi._scoring._conventions import EXCLUDE_TARGETS, N_COMPONENTS, N_SPLITS
from scpi._scoring._metrics import check_metrics
from scpi._scoring._noise_ceiling import CEILING, PERFECT
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.benchmark._guards._gains import gains
from scpi.benchmark._guards._play import BASELINES, game_rows
from scpi.benchmark._guards._ways import WAYS
from scpi.benchmark._run import Run
from scpi.benchmark._task import make_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from anndata import AnnData

    from scpi._screen._labels import Control
    from scpi._screen._split import Split

_N_CELLS = 200
_PAIRS = ("split", Key.obs.CONTEXT, Key.obs.PERTURBATION, Key.obs.DOSE)


@fill
def gaming_suite(
    adata: AnnData,
    splits: Sequence[Split] | Split,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    dose_key: str | None = None,
    layer: str | None = None,
    metrics: Sequence[str] | str | None = "honest",
    ways: Sequence[str] | str | None = None,
    n_cells: int = _N_CELLS,
    n_components: int | None = N_COMPONENTS,
    exclude_targets: bool = EXCLUDE_TARGETS,
    n_bootstrap: int = 2000,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Test which metrics the known ways to game a score raise above a baseline on a data set.

    Each way generates cells of the test conditions from control cells and from what training conditions have in common,
    without information about a condition. It is compared with the best of three baselines in each metric: unchanged
    control cells (``"no change"``), and control cells plus the mean change of the training conditions
    (``"mean change"``) or half of it (``"half the mean change"``).

    =================================  ============================================================================
    way                                predicted cells
    =================================  ============================================================================
    ``"inflated variance"``            the mean change, with twice the spread of the cells around their mean
    ``"logarithm taken twice"``        the mean change, log-transformed once more
    ``"scaled change"``                three times the mean change
    ``"pasted controls"``              the mean change, in which every second cell is a measured control
    ``"as many genes as expected"``    controls with large shifts of the genes with the largest mean change, as many
                                       genes as are significant in a training condition
    ``"most frequent genes"``          the same, with the most frequently significant genes
    ``"one profile for all cells"``    the mean of the mean change, once per cell
    ``"noise around the mean"``        the same, with normal noise with the spread of the controls
    ``"every gene changes"``           controls with large shifts of all genes
    ``"one cell repeated"``            the most typical cell of the mean change, once per cell
    ``"most values removed"``          the mean change, with four in five values set to zero
    ``"control with noise"``           controls with normal noise with their spread
    =================================  ============================================================================

    Parameters
    ----------
    %(adata)s
    splits
        Splits of the cells, from the functions of ``scpi.benchmark.splits``.
    perturbation_key, control, delimiter, context_key, dose_key
        Columns and format of the labels, as in :func:`scpi.benchmark.evaluate`.
    layer
        Entry of ``adata.layers`` with log-normalised expression; ``adata.X`` if ``None``.
    %(metrics)s
    ways
        Names of ways, or one; all if ``None``.
    %(n_cells)s
    %(n_components)s
    %(exclude_targets)s
    n_bootstrap
        Number of bootstrap samples of the conditions.
    rng
        Seed or generator of the draws.

    Returns
    -------
    Table with one row per way and metric, preceded by one row per way for ``"all"`` metrics:

    - ``way``, ``metric``, ``baseline`` (the best one), ``mean``, ``baseline_mean`` and ``n`` (conditions with a value);
    - ``gain`` (mean of the paired differences; above 0 is better for every metric), with ``low`` and ``high`` (its 95 %
      percentile interval);
    - ``scaled``, the gain as a fraction of the distance between the baseline and the noise ceiling;
    - ``is_above``: whether the interval is above 0, and the gain more than a twentieth of that distance.

    An undefined correlation, such as for no change, counts as 0. For ``"all"``, the gain is the mean over metrics of
    the scaled differences, each between -1 and 1.

    Raises
    ------
    KeyError
        If a column or layer does not exist.
    ValueError
        If there is no split, a metric or a way is unknown, or the expression is not log-normalised.
    """
    chosen = list(WAYS) if ways is None else as_list(ways)
    unknown = [name for name in chosen if name not in WAYS]
    if unknown or not chosen:
        what = f"Unknown ways {listed(unknown)}" if unknown else "`ways` is empty"
        msg = f"{what}: choose from {listed(WAYS)}."
        raise ValueError(msg)
    generator = as_generator(rng)
    seed = int(generator.integers(2**31))
    names = check_metrics(metrics)
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
        metrics=names,
        n_cells=n_cells,
        n_components=n_components,
        exclude_targets=exclude_targets,
    )
    with quiet_lightning():
        tables = [game_rows(task, seed, chosen) for task in tasks]
    tables += [Run(name=CEILING, spec=None, task=task, seed=seed).ceiling(N_SPLITS) for task in tasks]
    return gains(
        pd.concat(tables, ignore_index=True),
        names,
        chosen,
        baselines=BASELINES,
        tops=(CEILING, PERFECT),
        pair_by=_PAIRS,
        n_bootstrap=n_bootstrap,
        rng=generator,
    )
