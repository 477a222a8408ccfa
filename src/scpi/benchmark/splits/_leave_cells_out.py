"""Hold out random cells, irrespective of their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._rng import as_generator
from scpi._screen._split import Split

if TYPE_CHECKING:
    from anndata import AnnData


@fill
def leave_cells_out(
    adata: AnnData, *, test_size: float = 0.2, n_splits: int = 1, rng: int | np.random.Generator | None = 0
) -> list[Split]:
    """Hold out a random fraction of the cells, irrespective of labels, for models without perturbations.

    Parameters
    ----------
    %(adata)s
    test_size
        Fraction of the cells to hold out. With 0, all cells are training cells.
    n_splits
        Number of independent draws.
    %(rng)s

    Returns
    -------
    One split per draw.

    Raises
    ------
    ValueError
        If ``test_size`` is negative or not below 1, or ``n_splits`` is below 1.
    """
    if not 0 <= test_size < 1 or n_splits < 1:
        msg = (
            f"`test_size` must be from 0 to below 1 and `n_splits` at least 1, but they are {test_size} and {n_splits}."
        )
        raise ValueError(msg)
    generator = as_generator(rng)
    n_test = int(test_size * adata.n_obs)
    found = []
    for number in range(1, n_splits + 1):
        order = generator.permutation(adata.n_obs)
        found.append(Split(name=f"draw {number}", train=np.sort(order[n_test:]), test=np.sort(order[:n_test])))
    return found
