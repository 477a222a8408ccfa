"""Every subset of the doses, for one held-out context."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._conditions import read_screen
from scpi._screen._split import leave_out
from scpi._sequence import as_list
from scpi.benchmark.splits._choose import choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import ArrayLike

    from scpi._screen._labels import Control
    from scpi._screen._split import Split


@fill
def dose_subsets(
    adata: AnnData,
    *,
    context_key: str,
    dose_key: str,
    context: str | None = None,
    sizes: Sequence[int] | int | None = None,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    reference_fraction: float = 0.5,
    cells: ArrayLike | None = None,
    rng: int | np.random.Generator | None = 0,
) -> list[Split]:
    """Hold out the perturbed cells of one context, for every subset of the doses.

    For each subset, models train on these doses in the other contexts, and predict them in the held-out context. The
    scores of a dose thus show whether training on further doses helps or hurts. The controls are the same in all
    splits.

    Parameters
    ----------
    %(adata)s
    context_key
        Column of ``adata.obs`` with the contexts, such as cell types.
    dose_key
        Numeric column of ``adata.obs`` with the doses.
    context
        Context to hold out; the one with most perturbed cells if ``None``.
    sizes
        Numbers of doses in a subset; all if ``None``.
    %(perturbation_key)s
    %(control)s
    %(delimiter)s
    %(reference_fraction)s
    %(cells)s
    %(rng)s

    Returns
    -------
    One split per subset of the doses of the context, small subsets first: 255 for eight doses.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If the context is unknown or has too few controls, no other context has one of its doses, or ``sizes`` exceeds
        the number of doses.
    """
    screen = read_screen(
        adata,
        perturbation_key=perturbation_key,
        control=control,
        delimiter=delimiter,
        context_key=context_key,
        dose_key=dose_key,
        cells=cells,
    )
    names, counts = np.unique(screen.context[~screen.is_control].astype(str), return_counts=True)
    (chosen,) = choose(names[np.argmax(counts)] if context is None else context, names.tolist(), "context")
    own = ~screen.is_control & (screen.context == chosen)
    doses = np.unique(screen.dose[own])
    lacking = np.setdiff1d(doses, screen.dose[~screen.is_control & ~own])
    if len(lacking):
        msg = f"No other context than {chosen!r} has the dose(s) {lacking.tolist()} of `adata.obs[{dose_key!r}]` to learn from."
        raise ValueError(msg)
    wanted = range(1, len(doses) + 1) if sizes is None else as_list(sizes)
    if not all(1 <= size <= len(doses) for size in wanted):
        msg = f"`sizes` must be between 1 and the number of doses, {len(doses)}, but is {list(wanted)}."
        raise ValueError(msg)
    whole = leave_out(screen, chosen, own, reference_fraction=reference_fraction, rng=as_generator(rng))
    at = {name: screen.where(getattr(whole, name)) for name in ("train", "test")}
    return [
        replace(
            whole,
            name=", ".join(f"{dose:g}" for dose in subset),
            **{
                name: screen.cells[places[screen.is_control[places] | np.isin(screen.dose[places], subset)]]
                for name, places in at.items()
            },
        )
        for size in wanted
        for subset in combinations(doses.tolist(), size)
    ]
