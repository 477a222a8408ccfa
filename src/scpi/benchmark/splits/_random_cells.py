"""Hold out random cells of all conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._conditions import read_screen
from scpi._screen._split import draw_fraction, leave_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from anndata import AnnData
    from numpy.typing import ArrayLike

    from scpi._screen._labels import Control
    from scpi._screen._split import Split


@fill
def random_cells(
    adata: AnnData,
    *,
    test_size: float = 0.2,
    n_splits: int = 5,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    dose_key: str | None = None,
    cells: ArrayLike | None = None,
    rng: int | np.random.Generator | None = 0,
) -> list[Split]:
    """Hold out a random fraction of the cells of every condition, including controls: the easiest task.

    Parameters
    ----------
    %(adata)s
    test_size
        Fraction of the cells of each condition in a context to hold out. The held-out controls serve as the reference.
    n_splits
        Number of independent draws.
    %(perturbation_key)s
    %(control)s
    %(delimiter)s
    context_key, dose_key
        Columns of ``adata.obs`` with contexts and doses, within which the cells are drawn.
    %(cells)s
    %(rng)s

    Returns
    -------
    One split per draw.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If ``test_size`` is not between 0 and 1, ``n_splits`` is below 1, or there are too few controls.
    """
    if not 0 < test_size < 1 or n_splits < 1:
        msg = f"`test_size` must be between 0 and 1 and `n_splits` at least 1, but they are {test_size} and {n_splits}."
        raise ValueError(msg)
    screen = read_screen(
        adata,
        perturbation_key=perturbation_key,
        control=control,
        delimiter=delimiter,
        context_key=context_key,
        dose_key=dose_key,
        cells=cells,
    )
    generator = as_generator(rng)
    return [
        leave_out(
            screen,
            f"draw {number}",
            draw_fraction(~screen.is_control, screen.stratum, test_size, generator),
            reference_fraction=test_size,
            rng=generator,
        )
        for number in range(1, n_splits + 1)
    ]
