from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi._docs import fill
from scpi.attribution._checks import check_codes
from scpi.attribution._decode import average_effects, check_latent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

    from scpi.attribution._attribute_units import UnitAttributions, Write
    from scpi.attribution._decoder_target import DecoderTarget


@fill
def latent_traversal(
    target: DecoderTarget,
    z: Any,
    codes: ArrayLike | None = None,
    *,
    low: float = 0.05,
    high: float = 0.95,
    units: str | int | Sequence[str | int] | None = None,
    absolute: bool = False,
    write: Write | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
) -> UnitAttributions:
    r"""Compute the change in log mean expression when a latent unit moves from a low to a high value.

    .. math:: a_{ug} = \frac{1}{n} \sum_i \log \mu_g(z_i \mid z_u = q_\text{high})
       - \log \mu_g(z_i \mid z_u = q_\text{low})

    The other units keep their values in each cell. Unlike a slope, the change covers the whole range of the unit in the
    cells, and is small for a unit that hardly varies.

    Parameters
    ----------
    %(decoder_target)s
        The quantiles are those of all cells.
    low, high
        Quantiles of the unit between which it moves.
    %(decoder_units)s

    Raises
    ------
    ValueError
        If the shapes do not match, values are not finite, a unit is unknown, or `low` is not below `high`.

    Examples
    --------
    >>> import torch
    >>> from scpi.attribution import DecoderTarget, latent_traversal
    >>> loadings = torch.tensor([[2.0, 0.0, -1.0]])
    >>> target = DecoderTarget(lambda z: z @ loadings, ["program"])
    >>> latent_traversal(target, [[0.0], [1.0], [3.0]], low=0, high=1).mean.tolist()
    [[[6.0, 0.0, -3.0]]]
    """
    if not 0 <= low < high <= 1:
        msg = f"`low` and `high` must be quantiles, 0 <= low < high <= 1, but are {low} and {high}."
        raise ValueError(msg)
    latent = check_latent(z, target)
    included = latent[check_codes(codes, len(latent)) >= 0]
    ends = torch.from_numpy(np.quantile(included, [low, high], axis=0).astype(np.float32)).to(device or "cpu")

    @torch.no_grad()
    def change(cells: Tensor, place: int) -> Tensor:
        before, after = cells.clone(), cells.clone()
        before[:, place], after[:, place] = ends[0, place], ends[1, place]
        return target.function(after) - target.function(before)

    return average_effects(
        target,
        latent,
        codes,
        change,
        units=units,
        absolute=absolute,
        write=write,
        batch_size=batch_size,
        device=device,
    )
