"""Principal components that networks start from."""

from __future__ import annotations

import torch
from torch import Tensor

_OVERSAMPLING = 10
_POWER = 4


@torch.no_grad()
def principal_components(x: Tensor, n_components: int) -> tuple[Tensor, Tensor]:
    """Leading principal components of ``x``, cells x genes; fewer where there are fewer cells or genes.

    Returns orthonormal columns, (n_genes, n_components), and the standard deviation of the cells along each, in falling
    order.
    """
    centred = x - x.mean(0)
    n_components = min(n_components, *x.shape)
    _, values, columns = torch.svd_lowrank(centred, q=min(n_components + _OVERSAMPLING, *x.shape), niter=_POWER)
    columns = columns[:, :n_components]
    # The sign of a component is arbitrary, and depends on the machine unless it is fixed.
    largest = columns.gather(0, columns.abs().argmax(0, keepdim=True))
    return columns * largest.sign(), values[:n_components] / max(len(x) - 1, 1) ** 0.5
