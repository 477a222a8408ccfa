"""Division of cells into training, validation and test sets, perturbation by perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Split(NamedTuple):
    """Indices of the cells of each set, sorted."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_cells(
    strata: NDArray[np.integer],
    *,
    train_size: float = 0.8,
    validation_size: float | None = None,
    held_out: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
) -> Split:
    """Divide the cells of every stratum at random.

    Every stratum keeps at least one cell for training. Controls are a stratum like any other, so that no control cell
    serves in two sets.

    Parameters
    ----------
    strata
        Code of the stratum of each cell.
    train_size
        Share of the cells of a stratum for training.
    validation_size
        Share for validation; all that is not for training if ``None``. What is left is the test set.
    held_out
        Cells that go to the test set whatever the shares.
    rng
        Generator of the permutations.

    Raises
    ------
    ValueError
        If the shares are not between 0 and 1, or sum to more than 1.
    """
    validation_size = 1.0 - train_size if validation_size is None else validation_size
    if not 0 < train_size <= 1 or not 0 <= validation_size <= 1 or train_size + validation_size > 1 + 1e-9:
        msg = f"`train_size` ({train_size}) and `validation_size` ({validation_size}) must be shares that sum to <= 1."
        raise ValueError(msg)
    # Rounding must not leave a cell for a test set that was not asked for.
    takes_rest = train_size + validation_size > 1 - 1e-9
    held_out = np.zeros(len(strata), dtype=bool) if held_out is None else held_out
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [np.flatnonzero(held_out)])
    kept = np.flatnonzero(~held_out)
    order = kept[np.argsort(strata[kept], kind="stable")]
    boundaries = np.flatnonzero(np.diff(strata[order])) + 1
    for cells in np.split(order, boundaries):
        shuffled = rng.permutation(cells)
        n_train = max(1, round(train_size * len(cells)))
        n_rest = len(cells) - n_train
        n_validation = n_rest if takes_rest else min(n_rest, round(validation_size * len(cells)))
        for part, chunk in zip(parts, np.split(shuffled, [n_train, n_train + n_validation]), strict=True):
            part.append(chunk)
    return Split(*(np.sort(np.concatenate(part)).astype(np.int64) for part in parts))
