"""Hold out combinations of perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._conditions import read_screen
from scpi._screen._split import leave_out
from scpi._sequence import as_list
from scpi.benchmark.splits._choose import choose, part_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import ArrayLike

    from scpi._screen._labels import Control
    from scpi._screen._split import Split


@fill
def leave_combinations_out(
    adata: AnnData,
    *,
    combinations: Sequence[str] | str | None = None,
    n_splits: int = 5,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    reference_fraction: float = 0.5,
    cells: ArrayLike | None = None,
    rng: int | np.random.Generator | None = 0,
) -> list[Split]:
    """Hold out all cells of combinations of perturbations, and train on the single perturbations.

    Parameters
    ----------
    %(adata)s
    combinations
        Labels of combinations to hold out together. If ``None``, all combinations are divided at random into
        ``n_splits`` folds, each of which is held out in turn.
    n_splits
        Number of folds.
    %(perturbation_key)s
    %(control)s
    %(delimiter)s
    context_key
        Column of ``adata.obs`` with the contexts. Reference controls are set aside within each context.
    %(reference_fraction)s
    %(cells)s
    %(rng)s

    Returns
    -------
    One split per fold.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If there are no combinations or fewer than ``n_splits``, one is unknown, or there are too few controls.
    """
    screen = read_screen(
        adata,
        perturbation_key=perturbation_key,
        control=control,
        delimiter=delimiter,
        context_key=context_key,
        cells=cells,
    )
    there = sorted(
        {label for label in screen.perturbation[~screen.is_control] if screen.labelling.is_combination(label)}
    )
    generator = as_generator(rng)
    if combinations is not None:
        wanted = [screen.labelling.canonical(label) for label in as_list(combinations)]
        parts = [choose(wanted, there, "combination")]
    else:
        if not 1 <= n_splits <= len(there):
            msg = f"`n_splits` must be between 1 and the number of combinations, {len(there)}, but is {n_splits}."
            raise ValueError(msg)
        shuffled = generator.permutation(np.array(there, dtype=object))
        parts = [sorted(part) for part in np.array_split(shuffled, n_splits)]
    return [
        leave_out(
            screen,
            part_name(part, number, len(parts)),
            np.isin(screen.perturbation.astype(str), part),
            reference_fraction=reference_fraction,
            rng=generator,
        )
        for number, part in enumerate(parts, start=1)
    ]
