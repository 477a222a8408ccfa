"""Network and objective of the SENA-discrepancy-VAE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scvi.distributions import NegativeBinomial
from scvi.module.base import BaseModuleClass, LossOutput, auto_move_data
from torch import Tensor, nn

from scpi.model.base._constants import KEYS
from scpi.model.base.losses._mmd import batched_mmd
from scpi.model.base.prediction._profile_buffers import ArrayBuffers
from scpi.model.perturbation_gp._described import described_buffers
from scpi.model.senavae._decoder import Decoder
from scpi.model.senavae._encoder import Encoder
from scpi.model.senavae._intervention import InterventionEncoder
from scpi.model.senavae._scm import CausalLayer

if TYPE_CHECKING:
    from scpi.model.senavae._presets import Likelihood, Preset
    from scpi.model.senavae._scm import Mechanism

_MIN_LOG_SCALE = -6.0
# Names of the discrepancy in the history
_DISCREPANCIES = {"mmd": "mmd", "paired": "paired_error", "reconstruction": "reconstruction_perturbed"}


class SENAVAEModule(BaseModuleClass):
    """Variational autoencoder whose latent space is a structural causal model under intervention.

    Control cells are encoded into exogenous noise, perturbations shift that noise, the causal layer turns noise into
    causal variables and a decoder turns these into expression. The same noise without and with the shift gives a
    reconstruction and its counterfactual, which is compared with real perturbed cells in distribution. The likelihood
    is ``"normal"`` on the expression as given, or ``"nb"`` on counts; ``membership``, genes x sets, and ``leak`` are of
    the encoder, ``mechanism`` of the causal layer.
    """

    def __init__(
        self,
        n_genes: int,
        n_perturbations: int,
        n_factors: int,
        *,
        preset: Preset,
        membership: Tensor | None = None,
        leak: float = 0.0,
        mechanism: Mechanism = "linear",
        likelihood: Likelihood = "normal",
        n_batch: int = 0,
    ) -> None:
        super().__init__()
        self.preset = preset
        self.likelihood = likelihood
        self.n_genes, self.n_factors = n_genes, n_factors
        self.encoder = Encoder(
            n_genes,
            n_factors,
            membership=membership,
            n_hidden=0 if preset.encoder == "linear" else preset.n_hidden,
            leak=leak,
            init=preset.init,
            max_ratio=preset.max_weight_ratio,
        )
        self.intervention = InterventionEncoder(n_perturbations, n_factors, encoding=preset.intervention)
        self.causal = CausalLayer(n_factors, mechanism=mechanism)
        self.decoder = Decoder(
            n_factors,
            n_genes,
            n_hidden=preset.n_hidden,
            n_batch=n_batch,
            positive_output=preset.positive_output and likelihood == "normal",
        )
        # Log standard deviation of a gene, or log dispersion of its counts.
        self.log_scale = nn.Parameter(torch.zeros(n_genes))
        self.register_buffer("least_log_scale", torch.tensor(_MIN_LOG_SCALE))
        self.kept = ArrayBuffers(("effects", "control"))
        self.described = described_buffers()
        for name, value in (("mmd_weight", 1.0), ("kl_weight", 1.0), ("bandwidth", 1.0), ("size_scale", 1e4)):
            self.register_buffer(name, torch.tensor(value))

    def transform(self, x: Tensor, size_factor: Tensor | None = None) -> Tensor:
        """Expression as the encoder reads it: counts are normalised by depth and logged, the rest is left alone."""
        if self.likelihood == "normal":
            return x
        return torch.log1p(x / self._depth(x, size_factor) * self.size_scale)

    def _depth(self, x: Tensor, size_factor: Tensor | None) -> Tensor:
        """Size factor of each cell, by default its total count; cells without counts have 1."""
        if size_factor is None:
            return x.sum(1, keepdim=True).clamp(min=1.0)
        return size_factor.reshape(-1, 1).clamp(min=1e-8)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of the exogenous noise for transformed expression."""
        mean, variance = self.encoder(x)
        return (self.causal.inverse(mean) if self.preset.causal_posterior else mean), variance

    def decode(self, u: Tensor, depth: Tensor | None, batch: Tensor | None) -> Tensor:
        """Expected expression for causal variables: counts at the given depth, or what is normal without one."""
        out = self.decoder(u, batch)
        return out if depth is None else torch.softmax(out, dim=1) * depth

    @property
    def abducts(self) -> bool:
        """Whether a counterfactual is the cell plus the decoded change."""
        return self.preset.abduct and self.likelihood == "normal"

    def _get_inference_input(self, tensors: dict[str, Tensor]) -> dict[str, Tensor | None]:
        return {"x": tensors[KEYS.X], "size_factor": tensors.get(KEYS.SIZE_FACTOR)}

    @auto_move_data
    def inference(self, x: Tensor, size_factor: Tensor | None = None, n_samples: int = 1) -> dict[str, Tensor]:
        """Posterior of the exogenous noise and one sample of it."""
        mean, variance = self.encode(self.transform(x, size_factor))
        return {"z": mean + variance.sqrt() * torch.randn_like(mean), "mean": mean, "variance": variance}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor]
    ) -> dict[str, Tensor | None]:
        depth = None if self.likelihood == "normal" else self._depth(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR))
        return {
            "z": inference_outputs["z"],
            "design": tensors.get(KEYS.DESIGN),
            "depth": depth,
            "batch": tensors.get(KEYS.BATCH),
            "cells": tensors[KEYS.X] if self.abducts else None,
        }

    @auto_move_data
    def generative(
        self,
        z: Tensor,
        design: Tensor | None = None,
        depth: Tensor | None = None,
        batch: Tensor | None = None,
        cells: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Reconstruction of the control cells and, given a design, their counterfactuals.

        ``design`` has one row per condition; the cells of ``z`` are its conditions' in turn, the same number each.
        Given ``cells``, a counterfactual is the cell plus the decoded change.
        """
        mean = self.decode(self.causal(z), depth, batch)
        if design is None:
            return {"mean": mean}
        shift = self.intervention(design).repeat_interleave(len(z) // len(design), dim=0)
        perturbed = self.decode(self.causal(z + shift), depth, batch)
        return {"mean": mean, "perturbed": perturbed if cells is None else cells + (perturbed - mean)}

    def loss(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor], generative_outputs: dict[str, Tensor]
    ) -> LossOutput:
        """Discrepancy + reconstruction + Kullback-Leibler divergence + sparsity of the graph."""
        x, weight = tensors[KEYS.X], tensors[KEYS.WEIGHT]
        reconstruction = self._reconstruction(x, generative_outputs["mean"])
        kl = normal_kl(inference_outputs["mean"], inference_outputs["variance"])
        if self.preset.discrepancy == "reconstruction":
            discrepancy, of_perturbed = self._conditional(tensors)
            kl = (kl + of_perturbed) / 2
        else:
            discrepancy = self._discrepancy(tensors, generative_outputs["perturbed"]).mean()
        graph = self.causal.sparsity_penalty(mean=self.preset.mean_graph_penalty).to(x.device)
        kl_term = self._reduce_kl(kl, n_cells=weight.shape[1])
        loss = (
            self.mmd_weight * discrepancy
            + reconstruction.mean()
            + self.kl_weight * kl_term
            + self.preset.graph_penalty * graph
        )
        # What tells epochs apart, at the final weights whatever the schedule. Not the reconstruction: in sparse data it
        # hangs on the few counts of genes that the training controls do not have.
        final = self.preset.max_mmd * discrepancy + self.preset.max_kl * kl_term
        return LossOutput(
            loss=loss,
            reconstruction_loss=reconstruction,
            kl_local=kl,
            extra_metrics={
                _DISCREPANCIES[self.preset.discrepancy]: discrepancy.detach(),
                "reconstruction": reconstruction.mean().detach(),
                "kl": kl_term.detach(),
                "graph_l1": graph.detach(),
                "objective": final.detach(),
            },
        )

    def _reconstruction(self, x: Tensor, mean: Tensor) -> Tensor:
        """Mean over genes of the squared error or of the negative log-likelihood, for each cell."""
        if self.likelihood == "nb":
            return -NegativeBinomial(mu=mean, theta=self.log_scale.exp()).log_prob(x).mean(1)
        residual = x - mean
        if not self.preset.learn_variance:
            return squared_norm(residual) / self.n_genes
        log_scale = self.log_scale.clamp(min=self.least_log_scale)
        return squared_norm(residual * torch.exp(-log_scale)) / (2 * self.n_genes) + log_scale.mean()

    def _conditional(self, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Reconstruction error of perturbed cells given their perturbation, and the divergence of their noise, for each place.

        What the encoder finds in a perturbed cell holds the shift of its perturbation: the noise is the rest. Padding has a
        divergence of 0, and the other places more weight, so that means over places are those over cells.
        """
        weight = tensors[KEYS.WEIGHT].reshape(-1)
        y, size = tensors[KEYS.PERTURBED], tensors.get(KEYS.PERTURBED_SIZE_FACTOR)
        mean, variance = self.encode(self.transform(y, size))
        shift = self.intervention(tensors[KEYS.DESIGN]).repeat_interleave(tensors[KEYS.WEIGHT].shape[1], dim=0)
        noise = mean - shift
        z = noise + variance.sqrt() * torch.randn_like(noise)
        depth = None if self.likelihood == "normal" else self._depth(y, size)
        decoded = self.decode(self.causal(z + shift), depth, tensors.get(KEYS.BATCH))
        n_cells = weight.sum().clamp(min=1)
        error = (weight * self._reconstruction(y, decoded)).sum() / n_cells
        return error, normal_kl(noise, variance) * weight * (len(weight) / n_cells)

    def _discrepancy(self, tensors: dict[str, Tensor], predicted: Tensor) -> Tensor:
        """Maximum mean discrepancy of every condition, or squared error of its pairs of cells."""
        n_conditions, n_cells = tensors[KEYS.WEIGHT].shape
        real = tensors[KEYS.PERTURBED]
        if self.likelihood == "nb":
            predicted = sample_counts(predicted, self.log_scale.exp())
            depth = self._depth(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR))
            predicted = torch.log1p(predicted / depth * self.size_scale)
            real = self.transform(real, tensors.get(KEYS.PERTURBED_SIZE_FACTOR))
        if self.preset.discrepancy == "paired":
            error = (squared_norm(predicted - real) / self.n_genes).reshape(n_conditions, n_cells)
            return (error * tensors[KEYS.WEIGHT]).sum(1) / tensors[KEYS.WEIGHT].sum(1)
        return batched_mmd(
            predicted.reshape(n_conditions, n_cells, -1),
            real.reshape(n_conditions, n_cells, -1),
            tensors[KEYS.WEIGHT],
            base=self.bandwidth,
            n_kernels=self.preset.n_kernels,
            unbiased=self.preset.unbiased,
        )

    def _reduce_kl(self, kl: Tensor, *, n_cells: int) -> Tensor:
        """Kullback-Leibler term on the scale of the preset."""
        if self.preset.kl == "mean_over_cells_twice":
            return kl.mean() / self.n_factors / n_cells
        return kl.mean() / self.n_genes if self.preset.per_gene else kl.mean()


def squared_norm(x: Tensor) -> Tensor:
    """Sum of squares of each row, in one pass that stores no squares."""
    return torch.linalg.vector_norm(x, dim=1).square()


def normal_kl(mean: Tensor, variance: Tensor) -> Tensor:
    """Divergence of N(mean, variance) from N(0, I), summed over factors, for each cell."""
    return -0.5 * (1 + variance.log() - mean.square() - variance).sum(1)


def sample_counts(mean: Tensor, inverse_dispersion: Tensor) -> Tensor:
    """Negative binomial counts with a gradient.

    The value is an exact draw. The gradient is that of a location-scale family with the same mean and variance, in
    which the standardised residual of the draw is held fixed.
    """
    with torch.no_grad():
        rate = torch.distributions.Gamma(inverse_dispersion.expand_as(mean), inverse_dispersion / mean.clamp(min=1e-8))
        draw = torch.poisson(rate.sample())
        spread = torch.sqrt(mean + mean.square() / inverse_dispersion).clamp(min=1e-8)
        residual = (draw - mean) / spread
    variance = mean + mean.square() / inverse_dispersion
    surrogate = mean + residual * torch.sqrt(variance.clamp(min=1e-8))
    # The bracket is zero to the last digit: counts stay whole.
    return draw + (surrogate - surrogate.detach())
