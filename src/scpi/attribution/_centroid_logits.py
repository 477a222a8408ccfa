from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scpi.attribution._target import of_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

    from scpi.attribution._target import AttributionTarget


def centroid_logits(
    target: AttributionTarget, latent: ArrayLike, codes: ArrayLike, *, names: Sequence[str]
) -> AttributionTarget:
    r"""Make logits of groups of cells from the distances to their centroids in latent space.

    .. math:: s_k(x) = -\frac{\lVert z(x) - \mu_k \rVert^2}{2 \sigma^2},

    the log-density of a Gaussian around each centroid, with one variance :math:`\sigma^2` pooled over groups and
    latent units. This is linear discriminant analysis with equal variances. It turns a model that embeds cells into a
    classifier of groups, for :func:`scpi.attribution.contrast`.

    Parameters
    ----------
    target
        Target whose outputs are latent units.
    latent
        Latent representation of the cells, cells x units.
    codes
        Group of each cell, numbered from 0. Cells with a negative code are left out.
    names
        Names of the groups.

    Returns
    -------
    Target whose outputs are the logits.

    Raises
    ------
    ValueError
        If the shapes do not match, or a group has no cell.

    Examples
    --------
    >>> import torch
    >>> from scpi.attribution import AttributionTarget, centroid_logits
    >>> target = AttributionTarget(lambda x: x, lambda x: x, ["z"], kind="latent")
    >>> logits = centroid_logits(target, [[-1.0], [1.0], [4.0], [6.0]], [0, 0, 1, 1], names=["a", "b"])
    >>> logits.function(torch.tensor([[0.0], [5.0]])).round(decimals=1).tolist()
    [[-0.0, -12.5], [-12.5, -0.0]]
    """
    z, groups = np.asarray(latent, dtype=np.float64), np.asarray(codes)
    if z.ndim != 2 or groups.shape != z.shape[:1] or z.shape[1] != len(target.names):
        msg = (
            f"`latent` must be cells x {len(target.names)} latent units and `codes` must have one value per cell, but "
            f"their shapes are {z.shape} and {groups.shape}."
        )
        raise ValueError(msg)
    sizes = np.bincount(groups[groups >= 0], minlength=len(names))
    if len(sizes) != len(names) or (sizes == 0).any():
        msg = f"Each of the {len(names)} groups needs a cell, but the codes give {sizes.tolist()} cells."
        raise ValueError(msg)
    centroids = np.stack([z[groups == k].mean(axis=0) for k in range(len(names))])
    member = groups >= 0
    variance = float(np.square(z[member] - centroids[groups[member]]).mean())
    # If all cells are at their centroid, there is no scale of distances
    scale = 2.0 * variance if variance > 0 else 1.0
    centre = torch.from_numpy(centroids).float()

    def logits(z: Tensor) -> Tensor:
        return -(z[:, None] - centre.to(z)).square().sum(-1) / scale

    return of_outputs(target, logits, names=[str(name) for name in names], kind="logit")
