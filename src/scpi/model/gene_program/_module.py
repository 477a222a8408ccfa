"""Autoencoder whose units are gene programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.base.loading._input_transform import InputTransform
from scpi.model.base.losses._count_likelihoods import loss_of_mean, negative_binomial_loss, zero_inflated_loss
from scpi.model.base.training._plan_module import PlanModule
from scpi.model.gene_program._penalties import (
    activation_correlation,
    decoder_overlap,
    total_correlation,
    weight_orthogonality,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.model.gene_program._presets import Preset
    from scpi.model.gene_program._start import Start

_START_WEIGHT = 0.05
_START_DROPOUT = -3.0
_LEAST_RATE = 1e-8
# Counts of a cell to which the weights of the priors refer
_PRIOR_DEPTH = 1000.0


class GeneProgramModule(PlanModule):
    """Encoder, non-negative units, and a decoder that is linear in the logarithm of the expression by default.

    Each of the ``n_batch`` batches has its own level of every gene. ``allowed``, units x genes, marks the weights that
    a unit may have, all if ``None``. Others are 0 with ``outside=None``, else the weight of their prior is multiplied
    by it.
    """

    allowed: Tensor | None

    def __init__(
        self,
        n_genes: int,
        *,
        n_batch: int,
        preset: Preset,
        allowed: Tensor | None = None,
        outside: float | None = None,
    ) -> None:
        super().__init__()
        self.preset, self.outside = preset, outside
        self.transform = InputTransform(n_genes, preset.transform)
        n_units = preset.n_units
        widths = [*preset.n_hidden]
        self.n_first = widths[0]
        self.first = nn.Linear(n_genes, widths[0] + (n_units if preset.skip else 0))
        self.hidden = _layers(widths)
        self.to_units = nn.Linear(widths[-1], n_units)
        self.decoder = _layers([n_units, *preset.decoder_hidden])
        self.weight = nn.Parameter(torch.empty([n_units, *preset.decoder_hidden][-1], n_genes))
        self.level = nn.Parameter(torch.zeros(n_batch, n_genes))
        self.log_theta = nn.Parameter(torch.zeros(n_genes)) if preset.likelihood in ("nb", "zinb") else None
        self.dropout = nn.Parameter(torch.full((n_genes,), _START_DROPOUT)) if preset.likelihood == "zinb" else None
        self.register_buffer("allowed", allowed)
        for layer in (self.first, self.to_units, *self.hidden, *self.decoder):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        if preset.data_init:
            nn.init.normal_(self.weight, std=_START_WEIGHT)
        else:
            nn.init.xavier_normal_(self.weight)

    def encode(self, x: Tensor) -> Tensor:
        """Units of cells from their input, (n_cells, n_units)."""
        return self.rest(F.linear(x, self.first.weight))

    def rest(self, projected: Tensor) -> Tensor:
        """Units from the product of the input with the weights of the first layer."""
        projected = projected + self.first.bias
        hidden = self._softplus(projected[:, : self.n_first])
        for layer in self.hidden:
            hidden = self._softplus(layer(hidden))
        raw = self.to_units(hidden)
        if self.preset.skip:
            raw = raw + projected[:, self.n_first :]
        return F.relu(raw) if self.preset.activation == "relu" else self._softplus(raw)

    def decode(self, z: Tensor, level: Tensor) -> Tensor:
        """Logarithm of the fraction of the depth of a cell for each gene, or of its rate; the input itself if Gaussian.

        Units ``z``, (n_cells, n_units), are departures from ``level``, (n_genes,) or (n_cells, n_genes).
        """
        return self.of_effects(self.effects(z), level)

    def of_effects(self, effects: Tensor, level: Tensor) -> Tensor:
        """As :meth:`decode`, from the sums of the effects of the units, (n_cells, n_genes)."""
        raw = effects + level
        if self.preset.likelihood == "gaussian":
            return raw
        if self.preset.depth:
            return F.log_softmax(raw, dim=1)
        return self._softplus(raw).clamp(min=_LEAST_RATE).log()

    def gene_weights(self) -> Tensor:
        """Weights from the last layer before the genes, (n_units, n_genes) without hidden layers."""
        if self.allowed is None or self.outside is not None:
            return self.weight
        return self.weight * self.allowed

    def mean_level(self) -> Tensor:
        """Level of each gene in the mean of the batches."""
        return self.level.mean(0)

    def levels(self, batch: Tensor | None) -> Tensor:
        """Level of each gene in the batch of each cell; the mean of the batches where there is none."""
        if batch is None:
            return self.mean_level()
        # Batches that came after the training have no level yet
        levels = torch.cat([self.level, self.mean_level()[None]])
        return levels[batch.reshape(-1).clamp(max=len(self.level))]

    def reconstruction(self, tensors: dict[str, Tensor], z: Tensor) -> Tensor:
        """Negative log-likelihood of every cell, less what does not depend on the model for Poisson and Gaussian."""
        found = self.decode(z, self.levels(tensors.get(KEYS.BATCH)))
        loss = self._loss(tensors, found, constant=True)
        return loss.sum(1) if self.preset.reduction == "sum" else loss.mean(1)

    def loss_of_decoded(self, tensors: dict[str, Tensor], decoded: Tensor) -> Tensor:
        """As :meth:`reconstruction`, in double precision, less all that does not depend on what was decoded.

        It is no objective: derivatives are not in closed form.
        """
        loss = self._loss(tensors, decoded, constant=False).sum(1, dtype=torch.float64)
        return loss if self.preset.reduction == "sum" else loss / decoded.shape[1]

    def _loss(self, tensors: dict[str, Tensor], decoded: Tensor, *, constant: bool) -> Tensor:
        counts = tensors[KEYS.X]
        if self.preset.likelihood == "gaussian":
            loss = 0.5 * (tensors[KEYS.INPUT] - decoded).square()
        else:
            log_mean = decoded + self._log_depth(tensors) if self.preset.depth else decoded
            if self.log_theta is None:
                loss = log_mean.exp() - counts * log_mean
            elif not constant:
                loss = loss_of_mean(counts, log_mean, self.log_theta.exp(), self.dropout)
            elif self.dropout is None:
                loss = negative_binomial_loss(counts, log_mean, self.log_theta.exp())
            else:
                loss = zero_inflated_loss(counts, log_mean, self.log_theta.exp(), self.dropout)
        return loss

    def losses(self, tensors: dict[str, Tensor], *, n_cells: int) -> dict[str, Tensor]:
        """Terms of the objective, weighted; the prior of the weights is spread over ``n_cells``, those to train on."""
        preset = self.preset
        z = self.encode(tensors[KEYS.INPUT])
        found = {"reconstruction": self.reconstruction(tensors, z).mean()}
        if preset.unit_weight:
            found["units"] = preset.unit_weight * self.depth_weight * z.sum(1).mean()
        if preset.gene_weight:
            size = self.gene_weights().abs()
            if self.allowed is not None and self.outside is not None:
                size = torch.where(self.allowed, size, self.outside * size)
            found["genes"] = preset.gene_weight * self.depth_weight / n_cells * size.sum()
        if preset.orthogonality != "none":
            found["orthogonality"] = preset.orthogonality_weight * self._orthogonality(z)
        return found

    @property
    def depth_weight(self) -> Tensor | float:
        """What the evidence of a cell grows with, and the priors have to."""
        return 1.0 if self.preset.likelihood == "gaussian" else self.transform.rate.sum() / _PRIOR_DEPTH

    def _orthogonality(self, z: Tensor) -> Tensor:
        kind = self.preset.orthogonality
        if kind == "weights":
            return weight_orthogonality(self.to_units.weight)
        if kind == "activations":
            return activation_correlation(z)
        if kind == "total_correlation":
            return total_correlation(z)
        return decoder_overlap(self.unit_effects(z.detach().mean(0)))

    def unit_effects(self, z: Tensor) -> Tensor:
        """Effects of the units on the genes before normalisation, at one place, (n_units, n_genes)."""
        if not len(self.decoder):
            return self.gene_weights()
        jacobian = torch.func.jacfwd(self.effects)(z)
        assert isinstance(jacobian, Tensor)
        return jacobian.T

    def effects(self, z: Tensor) -> Tensor:
        """Sum of the effects of the units on each gene, before its level, (n_cells, n_genes)."""
        for layer in self.decoder:
            z = self._softplus(layer(z))
        return z @ self.gene_weights()

    def effects_without(self, z: Tensor, effects: Tensor, unit: int) -> Tensor:
        """What is left of these effects when a unit is 0."""
        if not len(self.decoder):
            return torch.addcmul(effects, z[:, [unit]], self.gene_weights()[unit], value=-1.0)
        without = z.clone()
        without[:, unit] = 0.0
        return self.effects(without)

    @torch.no_grad()
    def start(self, start: Start) -> None:
        """Start from the units, the weights and the moments of the training data."""
        self.level.copy_(start.level.to(self.level).expand_as(self.level))
        if self.log_theta is not None:
            self.log_theta.copy_(start.theta.log())
        if self.preset.skip and not len(self.decoder):
            self.weight.copy_(start.weight)
            self.first.weight[self.n_first :] = start.encoder.T
            self.first.bias[self.n_first :] = start.mean
            # The hidden layers begin as a small correction of the linear map
            self.to_units.weight.mul_(0.1)

    def _log_depth(self, tensors: dict[str, Tensor]) -> Tensor:
        """Logarithm of the depth of each cell, which the genes divide, (n_cells, 1)."""
        if KEYS.SIZE_FACTOR in tensors:
            return tensors[KEYS.SIZE_FACTOR].reshape(-1, 1).log()
        return tensors[KEYS.X].sum(1, keepdim=True).clamp(min=1.0).log()

    def _softplus(self, x: Tensor) -> Tensor:
        beta = self.preset.softplus_beta
        return F.softplus(x, beta=float(x.shape[-1]) if beta is None else beta)


def _layers(widths: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in zip(widths[:-1], widths[1:], strict=True))
