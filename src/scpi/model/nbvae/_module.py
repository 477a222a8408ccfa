"""The network: an encoder and a decoder that read covariates, and negative binomial counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scvi.module.base import BaseModuleClass, LossOutput
from scvi.nn import FCLayers
from torch import nn
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.base.generation._rates import Rates
from scpi.model.base.losses._count_likelihoods import negative_binomial_loss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from scpi.model.nbvae._presets import Preset

# Smallest variance of a latent unit, as in scvi-tools
_LEAST_VARIANCE = 1e-4
# Raw counts of an untrained encoder would overflow
_MOST_LOG = 10.0


class NBVAEModule(BaseModuleClass):
    """Variational autoencoder of counts; with the preset ``"scvi"``, the network of SCVI.

    ``n_categories`` are the numbers of categories of the categorical covariates, of which those in ``features`` are read
    by their features, (n_categories, n_features), and the others as indicators. With ``sized``, counts are expected in
    proportion to a size factor.
    """

    def __init__(
        self,
        n_genes: int,
        *,
        n_categories: Sequence[int] = (),
        n_continuous: int = 0,
        features: Mapping[int, Tensor] | None = None,
        n_labels: int = 0,
        sized: bool = False,
        gene_weights: Tensor | None = None,
        preset: Preset,
    ) -> None:
        super().__init__()
        features = dict(features or {})
        self.preset, self.sized = preset, sized
        self._indicators = [column for column in range(len(n_categories)) if column not in features]
        self._described = list(features)
        for column, values in features.items():
            self.register_buffer(f"features_{column}", values)
        self.register_buffer("gene_weights", gene_weights)
        n_numbers = n_continuous + sum(values.shape[1] for values in features.values())
        n_cats = [n_categories[column] for column in self._indicators]
        layers = {"batch_norm": preset.batch_norm, "deep": preset.deep_covariates}
        encoded = n_cats if preset.encode_covariates else []
        n_encoded = n_genes + n_numbers * preset.encode_covariates
        self.encoder = ConditionedLayers(n_encoded, preset.encoder_hidden, encoded, dropout=preset.dropout, **layers)
        self.mean = nn.Linear(preset.encoder_hidden[-1], preset.n_latent)
        self.log_variance = nn.Linear(preset.encoder_hidden[-1], preset.n_latent)
        self.decoder = ConditionedLayers(preset.n_latent + n_numbers, preset.decoder_hidden, n_cats, **layers)
        self.output = nn.Linear(preset.decoder_hidden[-1], n_genes)
        self.task = nn.Linear(preset.decoder_hidden[-1], n_labels) if n_labels else None
        start = torch.randn(n_genes) if preset.theta is None else torch.full((n_genes,), preset.theta).log()
        self.log_theta = nn.Parameter(start)

    def read(self, x: Tensor) -> Tensor:
        """Input of the encoder, from counts."""
        return torch.log1p(x) if self.preset.log_input else x

    def posterior(self, read: Tensor, codes: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the latent units of cells with these covariates."""
        if self.preset.encode_covariates:
            categories, numbers = self._covariates(codes, values)
            hidden = self.encoder(torch.cat([read, numbers], 1), *categories)
        else:
            hidden = self.encoder(read)
        return self.mean(hidden), (self.log_variance(hidden).clamp(max=_MOST_LOG).exp() + _LEAST_VARIANCE).sqrt()

    def decode(self, z: Tensor, codes: Tensor, values: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logarithms of the expected counts for a size of one, and logits of the labels if there are any."""
        categories, numbers = self._covariates(codes, values)
        hidden = self.decoder(torch.cat([z, numbers], 1), *categories)
        output = self.output(hidden)
        if self.sized:
            log_scale = F.softplus(output).clamp(min=torch.finfo(output.dtype).tiny).log()
        elif self.preset.scale == "sigmoid":
            log_scale = F.logsigmoid(output)
        else:
            log_scale = torch.log_softmax(output, 1)
        return log_scale, None if self.task is None else self.task(hidden)

    def rates(self, z: Tensor, codes: Tensor, values: Tensor) -> Rates:
        """Distribution of counts up to their total."""
        return Rates(torch.softmax(self.decode(z, codes, values)[0], 1), self.log_theta.exp())

    def size(self, x: Tensor, size_factor: Tensor | None) -> Tensor:
        """Factor to which expected counts are proportional, (n_cells, 1)."""
        if self.sized and size_factor is not None:
            return size_factor
        return (x.amax(1, keepdim=True) if self.preset.scale == "sigmoid" else x.sum(1, keepdim=True)).clamp(min=1.0)

    def _covariates(self, codes: Tensor, values: Tensor) -> tuple[list[Tensor], Tensor]:
        """Codes of the categories that are read as indicators, and all numbers."""
        numbers = [values, *(getattr(self, f"features_{column}")[codes[:, column]] for column in self._described)]
        return [codes[:, column : column + 1] for column in self._indicators], torch.cat(numbers, 1)

    def covariates_of(self, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Codes of the categories and numbers of the cells of a batch."""
        x = tensors[KEYS.X]
        codes = [tensors[key] for key in (KEYS.BATCH, KEYS.CATEGORICAL) if key in tensors]
        none = x.new_zeros((len(x), 0))
        return torch.cat(codes, 1) if codes else none.long(), tensors.get(KEYS.CONTINUOUS, none)

    def _get_inference_input(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        codes, values = self.covariates_of(tensors)
        return {"x": tensors[KEYS.X], "codes": codes, "values": values}

    def inference(self, x: Tensor, codes: Tensor, values: Tensor) -> dict[str, Tensor]:
        """Latent units: their distribution, and a draw from it."""
        mean, sd = self.posterior(self.read(x), codes, values)
        return {"mean": mean, "sd": sd, "z": mean + sd * torch.randn_like(sd)}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        codes, values = self.covariates_of(tensors)
        return {"z": inference_outputs["z"], "codes": codes, "values": values}

    def generative(self, z: Tensor, codes: Tensor, values: Tensor) -> dict[str, Tensor | None]:
        """Logarithms of expected counts for a size of one, and logits of the labels."""
        log_scale, logits = self.decode(z, codes, values)
        return {"log_scale": log_scale, "logits": logits}

    def loss(
        self,
        tensors: dict[str, Tensor],
        inference_outputs: dict[str, Tensor],
        generative_outputs: dict[str, Tensor],
        kl_weight: float = 1.0,
    ) -> LossOutput:
        """Negative log-likelihood, divergence from the standard normal prior, and cross-entropy of the labels.

        Each is a sum over genes or units, and the mean over the cells of a batch.
        """
        x, mean, sd = tensors[KEYS.X], inference_outputs["mean"], inference_outputs["sd"]
        log_mean = generative_outputs["log_scale"] + self.size(x, tensors.get(KEYS.SIZE_FACTOR)).log()
        by_gene = negative_binomial_loss(x, log_mean, self.log_theta.exp())
        reconstruction = (by_gene if self.gene_weights is None else by_gene * self.gene_weights).sum(1)
        divergence = (0.5 * (mean.square() + sd.square() - 1.0) - sd.log()).sum(1)
        loss, extra = (reconstruction + kl_weight * divergence).mean(), {}
        if self.task is not None and KEYS.LABELS in tensors:
            extra["task_loss"] = F.cross_entropy(generative_outputs["logits"], tensors[KEYS.LABELS].reshape(-1))
            loss = loss + self.preset.task_weight * extra["task_loss"]
        return LossOutput(loss=loss, reconstruction_loss=reconstruction, kl_local=divergence, extra_metrics=extra)


class ConditionedLayers(nn.Module):
    """Hidden layers of scvi-tools, of any widths, that read categories beside their input: all of them, or the first."""

    def __init__(
        self,
        n_in: int,
        widths: Sequence[int],
        n_categories: Sequence[int],
        *,
        batch_norm: bool,
        deep: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            FCLayers(
                n_in=before,
                n_out=after,
                n_cat_list=list(n_categories) if deep or place == 0 else None,
                n_layers=1,
                dropout_rate=dropout,
                use_batch_norm=batch_norm,
            )
            for place, (before, after) in enumerate(zip([n_in, *widths], widths, strict=False))
        )

    def forward(self, x: Tensor, *categories: Tensor) -> Tensor:
        """Values of the last layer."""
        for layer in self.layers:
            x = layer(x, *categories) if layer.n_cat_list else layer(x)
        return x
