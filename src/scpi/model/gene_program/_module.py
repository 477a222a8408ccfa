"""Autoencoder whose units are gene programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.base.counts._covariate_code import CovariateCode
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
# Of the mean squared length of the weights of units: those that vanish leave the levels free
_RIDGE = 1e-2


class GeneProgramModule(PlanModule):
    """Encoder, non-negative units, and a decoder that is linear in the logarithm of the expression by default.

    Each of the ``n_batch`` batches has its own level of every gene, to which categories of other covariates and slopes of
    continuous ones are added. ``allowed``, units x genes, marks the weights that
    a unit may have, all if ``None``. Others are 0 with ``outside=None``, else the weight of their prior is multiplied
    by it.
    """

    allowed: Tensor | None
    slope: Tensor
    n_reference: Tensor

    def __init__(
        self,
        n_genes: int,
        *,
        n_batch: int,
        n_categories: Sequence[int] = (),
        n_continuous: int = 0,
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
        self.code = CovariateCode([n_batch, *n_categories], n_continuous)
        self.level = nn.Parameter(torch.zeros(self.code.n_outputs, n_genes))
        self.log_theta = nn.Parameter(torch.zeros(n_genes)) if preset.likelihood in ("nb", "zinb") else None
        self.dropout = nn.Parameter(torch.full((n_genes,), _START_DROPOUT)) if preset.likelihood == "zinb" else None
        self.register_buffer("allowed", allowed)
        # Change of the mean input of each gene with the logarithm of its mean; 0 if the encoder reads the input as it is
        self.register_buffer("slope", torch.zeros(n_genes))
        # Batches that the encoder was trained on, of whose mean the input is that of a cell
        self.register_buffer("n_reference", torch.tensor(n_batch))
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

    @property
    def n_batch(self) -> int:
        """Number of batches with a level; their rows of the levels are the first."""
        return int(self.code.sizes[0])

    def covariates(self, tensors: dict[str, Tensor]) -> Tensor:
        """Indicators of the batch and of categories, then numbers, (n_cells, n_levels); of unknown batches, the mean."""
        x = tensors[KEYS.X]
        # Batches that came after the training have no level yet
        batch = tensors.get(KEYS.BATCH, torch.full((len(x), 1), self.n_batch, device=x.device))
        codes, values = self.code.read(tensors | {KEYS.BATCH: batch})
        return self.code(codes, values)

    def mean_level(self) -> Tensor:
        """Level of each gene in the mean of the batches and of the categories of covariates."""
        mean = self.code(self.code.sizes[None], self.code.mean[None])
        return (mean @ self.level_rows()).squeeze(0)

    def level_rows(self) -> Tensor:
        """Levels of batches, then what categories of covariates and slopes add, (n_levels, n_genes).

        Units cost something and levels nothing: a program that most cells of one batch have on would become a level. All
        batches therefore have the level of the first in the directions in which units change the genes, and other
        covariates add nothing there.
        """
        if len(self.level) == 1:
            return self.level
        weight = self.gene_weights().detach()
        gram = weight @ weight.T
        gram = gram + _RIDGE * gram.diagonal().mean().clamp(min=_RIDGE) * torch.eye(len(gram)).to(gram)
        free = self.level.clone()
        free[: self.n_batch] -= self.level[0]
        return self.level - torch.linalg.solve(gram, weight @ free.T).T @ weight

    def levels(self, tensors: dict[str, Tensor]) -> Tensor:
        """Level of each gene for the covariates of each cell, (n_cells, n_genes); (n_genes,) without any."""
        return self.level[0] if len(self.level) == 1 else self.covariates(tensors) @ self.level_rows()

    def corrected(self, tensors: dict[str, Tensor]) -> Tensor:
        """Input of the encoder: what covariates change in the mean is subtracted."""
        x = tensors[KEYS.INPUT]
        if len(self.level) == 1 or not self.reads_residuals:
            return x
        return x - self.covariates(tensors) @ self.changes()

    @torch.no_grad()
    def changes(self) -> Tensor:
        """What each category, beside the mean of its covariate, and each number changes in the input, (n_levels, n_genes)."""
        sizes = self.code.sizes.tolist()
        batches, *categories, numbers = self.level_rows().split([*sizes, len(self.level) - sum(sizes)])
        centred = [batches - batches[: int(self.n_reference)].mean(0), *(rows - rows.mean(0) for rows in categories)]
        found = torch.cat([*centred, numbers])
        # Fractions sum to 1: what all genes share changes none
        found -= found @ self.mean_level().softmax(0)[:, None]
        return self.slope * found

    @property
    def reads_residuals(self) -> bool:
        """Whether the input is the logarithm of fractions, of which levels are differences, and not reconstructed itself."""
        return self.preset.transform == "log" and self.preset.depth and self.preset.likelihood != "gaussian"

    def reconstruction(self, tensors: dict[str, Tensor], z: Tensor) -> Tensor:
        """Negative log-likelihood of every cell, less what does not depend on the model for Poisson and Gaussian."""
        found = self.decode(z, self.levels(tensors))
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
        z = self.encode(self.corrected(tensors))
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
        """Remaining effects when a unit is 0."""
        if not len(self.decoder):
            return torch.addcmul(effects, z[:, [unit]], self.gene_weights()[unit], value=-1.0)
        without = z.clone()
        without[:, unit] = 0.0
        return self.effects(without)

    @torch.no_grad()
    def start(self, start: Start, offsets: Tensor) -> None:
        """Start from the units, the weights and the moments of the training data, and from ``offsets`` of covariates."""
        self.level.copy_(offsets)
        self.level[: self.n_batch] += start.level.to(self.level)
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
