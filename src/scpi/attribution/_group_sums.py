"""Sums over the cells of groups that give means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor


def members(codes: NDArray[np.intp], n_groups: int, like: Tensor) -> Tensor:
    """Make the membership of cells in groups, groups x cells, with the type of another tensor."""
    places = torch.from_numpy(codes).to(like.device)
    return torch.nn.functional.one_hot(places, n_groups).T.to(like.dtype)


class GroupSums:
    """Sums of values, groups x outputs x width, accumulated over batches in double precision."""

    def __init__(self, n_groups: int, n_outputs: int) -> None:
        self._shape = n_groups, n_outputs
        self._sums: Tensor | None = None

    def add(self, outputs: int | slice, values: Tensor, member: Tensor) -> None:
        """Add a batch of cells: values of one output, cells x width, or of all, outputs x cells x width."""
        if self._sums is None:
            shape = *self._shape, values.shape[-1]
            self._sums = torch.zeros(shape, dtype=torch.float64, device=values.device)
        found = member @ values
        self._sums[:, outputs] += found if isinstance(outputs, int) else found.transpose(0, 1)

    def mean(self, n_cells: NDArray[np.intp], leave: Callable[[Tensor], Tensor] | None = None) -> NDArray[np.float64]:
        """Compute the means of the groups, after a linear map of the sums; NaN for a group without cells."""
        assert self._sums is not None  # at least one cell is left in
        sizes = torch.from_numpy(np.asarray(n_cells)).to(self._sums)
        mean = self._sums / sizes[:, None, None]
        return np.asarray((mean if leave is None else leave(mean.float())).double().cpu().numpy())
