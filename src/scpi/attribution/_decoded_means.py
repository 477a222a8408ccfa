from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi._docs import fill
from scpi.attribution._checks import check_codes, check_positive
from scpi.attribution._decode import check_latent
from scpi.attribution._group_sums import GroupSums, members
from scpi.attribution._stream import batches

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scpi.attribution._decoder_target import DecoderTarget

_CELLS = 256


@fill
@torch.no_grad()
def decoded_means(
    target: DecoderTarget,
    z: Any,
    codes: ArrayLike | None = None,
    *,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
) -> NDArray[np.float64]:
    r"""Compute the logarithm of the decoded mean expression, averaged over the cells of each group.

    .. math:: m_{kg} = \frac{1}{n_k} \sum_{i \in k} \log \mu_g(z_i)

    The difference between two groups attributes their separation in latent space to the genes. It is the sum over the
    units of the slopes of the decoder, integrated along the line between two cells and averaged over all pairs of cells
    of the two groups. For a linear decoder, it is the difference of the centroids times the loadings.

    Parameters
    ----------
    %(decoder_target)s
    batch_size
        Number of cells to process at a time. It does not affect the results.
    device
        Device of the decoder; the CPU if `None`.

    Returns
    -------
    Natural logarithms, groups x genes; NaN for a group without cells.

    Raises
    ------
    ValueError
        If the shapes do not match or values are not finite.

    Examples
    --------
    >>> import torch
    >>> from scpi.attribution import DecoderTarget, decoded_means
    >>> loadings = torch.tensor([[2.0, 0.0, -1.0]])
    >>> target = DecoderTarget(lambda z: z @ loadings, ["program"])
    >>> decoded_means(target, [[0.0], [1.0], [3.0]], [0, 0, 1]).tolist()
    [[1.0, 0.0, -0.5], [6.0, 0.0, -3.0]]
    """
    latent = check_latent(z, target)
    groups = check_codes(codes, len(latent))
    if batch_size is not None:
        check_positive(batch_size=batch_size)
    n_groups = int(groups.max()) + 1
    sums = GroupSums(n_groups, 1)
    for rows in batches(np.flatnonzero(groups >= 0), batch_size or _CELLS):
        values = target.function(torch.from_numpy(latent[rows]).to(device or "cpu"))
        sums.add(0, values, members(groups[rows], n_groups, values))
    return sums.mean(np.bincount(groups[groups >= 0], minlength=n_groups))[:, 0]
