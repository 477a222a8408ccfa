from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scpi._docs import fill
from scpi.attribution._decode import average_effects, check_latent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

    from scpi.attribution._attribute_units import UnitAttributions, Write
    from scpi.attribution._decoder_target import DecoderTarget


@fill
def decoder_effect(
    target: DecoderTarget,
    z: Any,
    codes: ArrayLike | None = None,
    *,
    units: str | int | Sequence[str | int] | None = None,
    absolute: bool = False,
    write: Write | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
) -> UnitAttributions:
    r"""Compute the slopes of the log mean expression along each latent unit, averaged over cells.

    .. math:: a_{ug} = \frac{1}{n} \sum_i \frac{\partial \log \mu_g(z_i)}{\partial z_u}

    A decoder has fewer units than genes, so slopes are computed by forward differentiation: one pass gives those of all
    genes along a unit. Only sums over the cells are stored.

    Parameters
    ----------
    %(decoder_target)s
    %(decoder_units)s

    Raises
    ------
    ValueError
        If the shapes do not match, values are not finite, or a unit is unknown.

    Examples
    --------
    >>> import torch
    >>> from scpi.attribution import DecoderTarget, decoder_effect
    >>> loadings = torch.tensor([[2.0, 0.0, -1.0]])
    >>> decoder_effect(DecoderTarget(lambda z: z @ loadings, ["program"]), [[0.5], [1.0]]).mean.tolist()
    [[[2.0, 0.0, -1.0]]]
    """

    def slope(cells: Tensor, place: int) -> Tensor:
        along = torch.zeros_like(cells)
        along[:, place] = 1.0
        found: Tensor = torch.func.jvp(target.function, (cells,), (along,))[1]
        return found.detach()

    return average_effects(
        target,
        check_latent(z, target),
        codes,
        slope,
        units=units,
        absolute=absolute,
        write=write,
        batch_size=batch_size,
        device=device,
    )
