"""Representations of cells that a decoder was not trained on: the best of some candidates, then gradient steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.base.losses._count_likelihoods import loss_of_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.model.dgd._module import DGDModule

_BETAS = (0.5, 0.9)
_EPSILON = 1e-8
# Cells whose objective fell by less than this, in nats, in the last tenth of the steps, at least so many, have converged
_TOLERANCE = 0.1
_LAST, _LEAST_LAST = 0.1, 10


@dataclass(frozen=True)
class Fit:
    """Representations, and whether the steps were enough."""

    z: Tensor
    """Representations, (n_cells, n_latent)."""
    unseen: list[Tensor] | None
    """Rows of unseen categories among the known ones, for each covariate."""
    converged: Tensor
    """Whether the objective of each cell has come to rest."""


def objective(
    module: DGDModule, tensors: dict[str, Tensor], z: Tensor, covariates: Tensor, found: Tensor | None
) -> Tensor:
    """Negative logarithm of the posterior density of representations, but for constants, (n_cells,)."""
    decoded = module.decode(z, covariates)
    loss = count_loss(module, tensors, decoded, found)
    return loss - module.mixture.log_density(z)


def count_loss(module: DGDModule, tensors: dict[str, Tensor], decoded: Tensor, found: Tensor | None) -> Tensor:
    """What of the negative log-likelihood depends on the mean, for what was decoded for each cell or for all alike."""
    counts, theta = tensors[KEYS.X], module.theta
    log_mean = decoded + module.log_depth(tensors, decoded, found)
    if found is not None:
        counts, log_mean, theta = counts[:, found], log_mean[:, found], theta[found]
    return loss_of_mean(counts, log_mean, theta, None).sum(1)


@torch.no_grad()
def best_candidate(
    module: DGDModule, tensors: dict[str, Tensor], candidates: Tensor, covariates: Tensor, found: Tensor | None = None
) -> Tensor:
    """Candidate with the largest posterior density for each cell, (n_cells, n_latent).

    A candidate is decoded once for all cells of the same categories, with continuous covariates at their mean.
    """
    n_continuous = len(module.covariates.mean)
    codes = covariates.clone()
    codes[:, codes.shape[1] - n_continuous :] = 0.0
    # One column more: there may be none
    kinds, kind = torch.unique(F.pad(codes, (1, 0)), dim=0, return_inverse=True)
    prior, chosen = (
        module.mixture.log_density(candidates),
        torch.zeros(len(codes), dtype=torch.long, device=codes.device),
    )
    for place, code in enumerate(kinds[:, 1:]):
        cells = torch.nonzero(kind == place).reshape(-1)
        own = {key: value[cells] for key, value in tensors.items()}
        decoded = module.decode(candidates, code.expand(len(candidates), -1))
        losses = [count_loss(module, own, row[None], found) for row in decoded]
        chosen[cells] = torch.argmin(torch.stack(losses, dim=1) - prior, dim=1)
    return candidates[chosen]


def fit_representations(
    module: DGDModule,
    tensors: dict[str, Tensor],
    *,
    start: Tensor | None = None,
    candidates: Tensor | None = None,
    found: Tensor | None = None,
    unseen: Sequence[Tensor] | None = None,
    fit_unseen: bool = False,
    n_steps: int = 100,
    lr: float = 0.05,
) -> Fit:
    """Representations that maximise the posterior density of the counts, everything else fixed.

    Steps begin at ``start``, or at the best of the candidates, the means of the components if ``None``, and each cell
    keeps the best that it came by. ``unseen`` is as in :class:`~scpi.model.base.counts._covariate_code.CovariateCode`; with
    ``fit_unseen``, it is fitted too, from these.
    """
    logits = [rows.clamp(min=_EPSILON).log().requires_grad_(fit_unseen) for rows in unseen or ()]
    with torch.no_grad():
        code = module.code(tensors, unseen)
    if start is None:
        points = module.mixture.means if candidates is None else candidates
        start = best_candidate(module, tensors, points.detach(), code, found)
    z = start.detach().clone().requires_grad_(True)
    moved = [z, *(row for row in logits if fit_unseen and row.numel())]
    optimizer = torch.optim.Adam(moved, lr=lr, betas=_BETAS)
    best, lowest, early = z.detach().clone(), None, None
    for step in range(n_steps + 1):
        if fit_unseen:
            code = module.code(tensors, [torch.softmax(row, dim=1) for row in logits])
        losses = objective(module, tensors, z, code, found)
        with torch.no_grad():
            better = torch.ones_like(losses, dtype=torch.bool) if lowest is None else losses < lowest
            best[better] = z[better]
            lowest = losses.clone() if lowest is None else torch.minimum(losses, lowest)
            if step <= max(n_steps - max(_LAST * n_steps, _LEAST_LAST), 0):
                early = lowest
        if step < n_steps:
            for group in optimizer.param_groups:
                group["lr"] = lr * (1.0 - step / n_steps)
            for parameter, gradient in zip(moved, torch.autograd.grad(losses.sum(), moved), strict=True):
                parameter.grad = gradient
            optimizer.step()
    assert lowest is not None
    assert early is not None
    rows = [torch.softmax(row.detach(), dim=1) for row in logits] if unseen is not None else None
    return Fit(best, rows, early - lowest < _TOLERANCE)
