"""Losses that sharpen clusters of an embedding."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_distances(z: Tensor, centroids: Tensor) -> Tensor:
    """Squared Euclidean distances of cells to centroids, (n_cells, n_clusters)."""
    return (z[:, None, :] - centroids).square().sum(2)


def student_log_kernel(distances: Tensor) -> Tensor:
    r"""Logarithm of the kernel of Student's t distribution with one degree of freedom, :math:`-\log(1 + d)`."""
    return -torch.log1p(distances)


def target_distribution(soft: Tensor) -> Tensor:
    r"""Sharpened assignments of deep embedded clustering.

    .. math::

        p_{ik} = \frac{q_{ik}^2 / f_k}{\sum_l q_{il}^2 / f_l}, \qquad f_k = \sum_i q_{ik}

    (Xie et al., ICML 2016), for soft assignments :math:`q`, (n_cells, n_clusters).
    """
    weight = soft.square() / soft.sum(0).clamp(min=torch.finfo(soft.dtype).tiny)
    return weight / weight.sum(1, keepdim=True)


def self_training_loss(target: Tensor, log_soft: Tensor) -> Tensor:
    """Kullback-Leibler divergence of soft assignments from their targets, averaged over cells."""
    return (torch.xlogy(target, target) - target * log_soft).sum(1).mean()


def weighted_kmeans_loss(distances: Tensor) -> Tensor:
    r"""Soft k-means with weights from the distances.

    .. math::

        L = \frac{1}{n} \sum_i \sum_k w_{ik} d_{ik}, \qquad w_{ik} = \frac{\exp(-2 d_{ik})}{\sum_l \exp(-2 d_{il})}

    (Chen et al., NAR Genom. Bioinform. 2, 2020), for squared distances of cells to centroids, (n_cells, n_clusters).
    """
    return (distances * torch.softmax(-2.0 * distances, 1)).sum(1).mean()


def pairwise_similarity_loss(z: Tensor) -> Tensor:
    r"""Sharpen the similarities of the cells of a batch to each other.

    .. math::

        L = \sum_{i \ne j} q_{ij} \log \frac{q_{ij}}{p_{ij}}, \qquad
        p_{ij} = \frac{(1 + \|z_i - z_j\|^2)^{-1}}{\sum_{l \ne i} (1 + \|z_i - z_l\|^2)^{-1}}, \qquad
        q_{ij} = \frac{p_{ij}^2}{\sum_{l \ne i} p_{il}^2}

    (Chen et al., NAR Genom. Bioinform. 2, 2020). The sum is over the batch; it is 0 for a single cell.
    """
    if len(z) < 2:
        return z.sum() * 0.0
    norm = z.square().sum(1)
    distances = (norm[:, None] + norm - 2.0 * z @ z.T).clamp(min=0.0)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    log_kernel = student_log_kernel(distances).masked_fill(itself, float("-inf"))
    log_p = log_kernel - log_kernel.logsumexp(1, keepdim=True)
    log_q = 2.0 * log_p - (2.0 * log_p).logsumexp(1, keepdim=True)
    change = (log_q - log_p).masked_fill(itself, 0.0)
    return (log_q.exp() * change).sum()
