"""Hold out one dose at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._conditions import read_screen
from scpi._screen._split import leave_out
from scpi._sequence import as_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import ArrayLike

    from scpi._screen._labels import Control
    from scpi._screen._split import Split


@fill
def leave_doses_out(
    adata: AnnData,
    *,
    dose_key: str,
    doses: Sequence[float] | float | None = None,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    reference_fraction: float = 0.5,
    cells: ArrayLike | None = None,
    rng: int | np.random.Generator | None = 0,
) -> list[Split]:
    """Hold out all cells of one dose at a time.

    Parameters
    ----------
    %(adata)s
    dose_key
        Numeric column of ``adata.obs`` with the doses.
    doses
        Doses to hold out. If ``None``, all doses between the smallest and the largest one, so that each is
        interpolated.
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
    One split per dose, in ascending order.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If a dose is unknown, no dose lies between two others, or there are too few controls.
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
    there = np.unique(screen.dose[~screen.is_control & (screen.dose > 0)])
    wanted = there[1:-1] if doses is None else np.unique(np.asarray(as_list(doses), dtype=np.float64))
    unknown = np.setdiff1d(wanted, there)
    if len(unknown) or not len(wanted):
        what = f"no dose {unknown.tolist()}" if len(unknown) else "no dose between two others"
        msg = f"`adata.obs[{dose_key!r}]` has {what} to leave out, only {there.tolist()}."
        raise ValueError(msg)
    generator = as_generator(rng)
    return [
        leave_out(
            screen,
            f"{dose:g}",
            ~screen.is_control & (screen.dose == dose),
            reference_fraction=reference_fraction,
            rng=generator,
        )
        for dose in wanted
    ]
