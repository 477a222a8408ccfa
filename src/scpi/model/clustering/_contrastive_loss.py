"""Contrastive loss of two views of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def contrastive_loss(
    first: Tensor,
    second: Tensor,
    *,
    temperature: float,
    labels: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    r"""Compute the contrastive loss of two views of each cell.

    With the views of :math:`n` cells stacked, :math:`z_1, \dots, z_{2n}`,

    .. math::

        L = - \frac{1}{2n} \sum_i \sum_{j \in P(i)} \frac{w_j}{\sum_{l \in P(i)} w_l}
            \log \frac{\exp(z_i^\top z_j / T)}{\sum_{l \ne i} \exp(z_i^\top z_l / T)}.

    The positives :math:`P(i)` are the other view of the cell, which is NT-Xent (Chen et al., ICML 2020), or with labels
    all other views of the same label, which is the supervised contrastive loss (Khosla et al., NeurIPS 2020).
    Views are (n_cells, n_latent), of unit length. A cell with the label -1 is unlabelled, and has its other view as its
    only positive. The weights :math:`w` of cells as positives are equal if ``None``.
    """
    n_cells = len(first)
    views = torch.cat([first, second])
    similarity = views @ views.T / temperature
    similarity.fill_diagonal_(float("-inf"))
    log_probability = similarity - similarity.logsumexp(1, keepdim=True)
    index = torch.arange(n_cells, device=views.device)
    if labels is None and weights is None:
        partner = torch.cat([index + n_cells, index])
        return -log_probability.gather(1, partner[:, None]).mean()
    positive = index[:, None] == index
    if labels is not None:
        code = labels.reshape(-1)
        positive = positive | ((code[:, None] == code) & (code >= 0))
    weight = positive.repeat(2, 2).fill_diagonal_(False).to(views.dtype)
    if weights is not None:
        weight = weight * weights.reshape(1, -1).to(views.dtype).repeat(1, 2)
    weight = weight / weight.sum(1, keepdim=True)
    # The diagonal is minus infinity, and no positive.
    return -(log_probability.masked_fill(weight == 0, 0.0) * weight).sum(1).mean()
