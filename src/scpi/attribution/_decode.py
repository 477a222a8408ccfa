"""Effects of changes in single latent units on the genes, in one pass over cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi.attribution._attribute_units import UnitAttributions
from scpi.attribution._checks import check_codes, check_positive, find_outputs
from scpi.attribution._group_sums import GroupSums, members
from scpi.attribution._stream import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from scpi.attribution._attribute_units import Write
    from scpi.attribution._decoder_target import DecoderTarget

    # Effect of the unit at a position on the genes of some cells, cells x genes
    Effect = Callable[[Tensor, int], Tensor]

_CELLS = 256


def check_latent(z: Any, target: DecoderTarget) -> NDArray[np.float32]:
    """Check that latent units, cells x units, are finite."""
    latent = np.asarray(z)
    if latent.ndim != 2 or latent.shape[1] != len(target.names) or latent.dtype.kind not in "fiub":
        msg = (
            f"`z` must be numbers, cells x {len(target.names)} units, but is of shape {latent.shape} and "
            f"{latent.dtype}."
        )
        raise ValueError(msg)
    if not len(latent):
        msg = "`z` has no cells."
        raise ValueError(msg)
    if not np.isfinite(latent).all():
        msg = "`z` has NaN or infinite values."
        raise ValueError(msg)
    return latent.astype(np.float32)


def average_effects(
    target: DecoderTarget,
    z: NDArray[np.float32],
    codes: ArrayLike | None,
    effect: Effect,
    *,
    units: str | int | Sequence[str | int] | None,
    absolute: bool,
    write: Write | None,
    batch_size: int | None,
    device: str | torch.device | None,
) -> UnitAttributions:
    """Average the effects of units over the cells of each group."""
    groups = check_codes(codes, len(z))
    places = find_outputs(units, target.names)
    if batch_size is not None:
        check_positive(batch_size=batch_size)
    n_groups = int(groups.max()) + 1
    sums, sizes = GroupSums(n_groups, len(places)), GroupSums(n_groups, len(places))
    for rows in batches(np.flatnonzero(groups >= 0), batch_size or _CELLS):
        cells = torch.from_numpy(z[rows]).to(device or "cpu")
        for j, place in enumerate(places):
            values = effect(cells, place)
            member = members(groups[rows], n_groups, values)
            sums.add(j, values, member)
            if absolute:
                sizes.add(j, values.abs(), member)
            if write is not None:
                write(j, rows, values.cpu().numpy())
    n_cells = np.bincount(groups[groups >= 0], minlength=n_groups)
    return UnitAttributions(
        mean=sums.mean(n_cells), mean_abs=sizes.mean(n_cells) if absolute else None, n_cells=n_cells
    )
