"""Pairs of control and treated cells as batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import Dataset

from scpi.model.base._constants import KEYS
from scpi.model.base.loading._transport import CellPairs, pair_by_stratum

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.loading._cell_splitter import ScreenCells


class PairedCells(Dataset[dict[str, "Tensor"]]):
    """Pairs of cells, as dense batches.

    A batch has the keys of :data:`KEYS`: expression of the source (``X``) and of the target (``PERTURBED``), their size
    factors where these are registered, (n_pairs, 1), and of the target the code of its condition, (n_pairs,), and the doses
    of the single perturbations (``DESIGN``).

    Parameters
    ----------
    cells
        Cells of the screen.
    pairs
        Positions of the cells of each pair.
    """

    def __init__(self, cells: ScreenCells, pairs: CellPairs) -> None:
        self._cells, self.pairs = cells, pairs
        self._same = np.array_equal(*pairs)

    def __getitem__(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        target = self._cells[self.pairs.target[index]]
        source = target if self._same else self._cells[self.pairs.source[index]]
        batch = {
            KEYS.X: source[KEYS.X],
            KEYS.PERTURBED: target[KEYS.X],
            KEYS.CONDITION: target[KEYS.CONDITION].squeeze(1),
            KEYS.DESIGN: target[KEYS.DESIGN],
        }
        if KEYS.SIZE_FACTOR in target:
            batch[KEYS.SIZE_FACTOR] = source[KEYS.SIZE_FACTOR]
            batch[KEYS.PERTURBED_SIZE_FACTOR] = target[KEYS.SIZE_FACTOR]
        return batch


def pair_conditions(
    x: Any,
    control: NDArray[np.int64],
    treated: NDArray[np.int64],
    conditions: NDArray[np.int64],
    strata: NDArray[np.int64],
    *,
    each: str = "control",
    **kwargs: Any,
) -> CellPairs:
    """Pair controls with treated cells by optimal transport, condition by condition.

    Parameters
    ----------
    x
        Expression of all cells.
    control, treated
        Positions of the cells of both arms.
    conditions
        Condition of each treated cell.
    strata
        Stratum of every cell of ``x``: only cells of the same are paired.
    each
        Whether each ``"control"`` gets a treated cell of every condition, or each ``"treated"`` cell a control.
    **kwargs
        As of :func:`~scpi.model.base.loading._transport.pair_by_stratum`.
    """
    empty = np.zeros(0, dtype=np.int64)
    sources, targets = [empty], [empty]
    for code in np.unique(conditions):
        arms = [control, treated[conditions == code]]
        if each == "treated":
            arms.reverse()
        first, second = pair_by_stratum(x, *arms, *(strata[arm] for arm in arms), **kwargs)
        sources.append(first if each == "control" else second)
        targets.append(second if each == "control" else first)
    return CellPairs(np.concatenate(sources), np.concatenate(targets))
