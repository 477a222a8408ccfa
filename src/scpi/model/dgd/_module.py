"""A decoder of free representations, under a Gaussian mixture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from scvi.module.base import BaseModuleClass, LossOutput
from torch import Tensor, nn
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.base.losses._count_likelihoods import negative_binomial_loss
from scpi.model.dgd._mixture import GaussianMixture, fit_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scpi.model.base.counts._covariate_code import CovariateCode
    from scpi.model.dgd._presets import Preset

_LEAST_FRACTION = 1e-10
_TASK_HIDDEN = 10
_START_SD = 0.1


class DGDModule(BaseModuleClass):
    """Representations of the cells as parameters, their mixture, and the decoder of both with the covariates.

    ``n_components`` are all components; with ``n_labels`` above 0, those of a label are next to each other, as many for
    each.
    """

    def __init__(
        self,
        n_genes: int,
        *,
        n_cells: int,
        n_components: int,
        covariates: CovariateCode,
        n_labels: int,
        preset: Preset,
    ) -> None:
        super().__init__()
        self.preset, self.n_labels, self.covariates = preset, n_labels, covariates
        n_latent = preset.n_latent
        # Gradients of the rows of a batch alone: other rows do not move, and cost nothing
        self.representations = nn.Embedding(n_cells, n_latent, sparse=True)
        nn.init.zeros_(self.representations.weight)
        sd = 0.2 * preset.radius / n_components if preset.component_sd is None else preset.component_sd
        self.mixture = GaussianMixture(
            n_components,
            n_latent,
            covariance=preset.covariance,
            radius=preset.radius,
            hardness=preset.hardness,
            sd=sd,
            sd_spread=preset.sd_spread,
            concentration=preset.concentration,
        )
        self.log_sd = (
            nn.Parameter(torch.full((n_latent,), math.log(_START_SD))) if preset.posterior == "normal" else None
        )
        widths = [n_latent + covariates.n_outputs, *preset.n_hidden]
        self.hidden = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in zip(widths[:-1], widths[1:], strict=True))
        self.output = nn.Linear(widths[-1], n_genes)
        self.log_excess = nn.Parameter(torch.zeros(n_genes))
        self.head = _head(n_latent, n_labels) if n_labels and preset.supervise != "mixture" else None

    @property
    def theta(self) -> Tensor:
        """Inverse overdispersion of each gene, above 1."""
        return 1.0 + self.log_excess.exp()

    def code(self, tensors: dict[str, Tensor], unseen: Sequence[Tensor] | None = None) -> Tensor:
        """Input of the decoder from the covariates of a batch of cells; see :class:`CovariateCode`."""
        found: Tensor = self.covariates(*self.covariates.read(tensors), unseen)
        return found

    def decode(self, z: Tensor, covariates: Tensor) -> Tensor:
        """Logarithm of the fraction of the depth of a cell for each gene, (n_cells, n_genes)."""
        hidden = torch.cat([z, covariates], dim=1)
        for layer in self.hidden:
            hidden = F.dropout(F.relu(layer(hidden)), self.preset.dropout, self.training)
        raw = self.output(hidden)
        if self.preset.activation == "softmax":
            return F.log_softmax(raw, dim=1)
        if self.preset.activation == "sigmoid":
            return F.logsigmoid(raw)
        return F.softplus(raw).clamp(min=_LEAST_FRACTION).log()

    def log_depth(
        self, tensors: dict[str, Tensor], decoded: Tensor | None = None, found: Tensor | None = None
    ) -> Tensor:
        """Logarithm of the depth of each cell, (n_cells, 1).

        Where some genes were not measured, a total count lacks theirs: as much as was ``decoded`` for genes that are not
        ``found``, (n_genes,).
        """
        if KEYS.SIZE_FACTOR in tensors:
            return tensors[KEYS.SIZE_FACTOR].reshape(-1, 1).log()
        counts = tensors[KEYS.X]
        if self.preset.library == "max":
            return counts.amax(1, keepdim=True).clamp(min=1.0).log()
        total = counts.sum(1, keepdim=True).clamp(min=1.0).log()
        if found is None or decoded is None:
            return total
        return total - torch.logsumexp(decoded[:, found], 1, keepdim=True) + torch.logsumexp(decoded, 1, keepdim=True)

    def cell_loss(
        self, tensors: dict[str, Tensor], z: Tensor, covariates: Tensor, found: Tensor | None = None
    ) -> Tensor:
        """Negative log-likelihood of the counts of each cell in the genes that are ``found``, all if ``None``; (n_cells,)."""
        decoded, counts, theta = self.decode(z, covariates), tensors[KEYS.X], self.theta
        log_mean = decoded + self.log_depth(tensors, decoded, found)
        if found is not None:
            counts, log_mean, theta = counts[:, found], log_mean[:, found], theta[found]
        return negative_binomial_loss(counts, log_mean, theta).sum(1)

    def allowed(self, labels: Tensor | None) -> Tensor | None:
        """Components that cells can come from, (n_cells, n_components); ``None`` for all. Cells beyond the labels have none."""
        if labels is None or not self.n_labels or self.preset.supervise == "head":
            return None
        n_each = self.mixture.n_components // self.n_labels
        label = torch.arange(self.mixture.n_components, device=labels.device) // n_each
        labels = labels.reshape(-1, 1)
        return (labels == label) | (labels >= self.n_labels)

    def losses(self, tensors: dict[str, Tensor], *, n_cells: int) -> dict[str, Tensor]:
        """Terms of the objective per cell of a batch, of ``n_cells`` to train on, weighted."""
        preset, labels = self.preset, tensors.get(KEYS.LABELS)
        z = drawn = self.representations(tensors[KEYS.INDEX].reshape(-1))
        log_sd = torch.zeros(1, device=z.device)
        if self.log_sd is not None:
            log_sd, drawn = self.log_sd, z + self.log_sd.exp() * torch.randn_like(z)
        found = {
            "reconstruction": self.cell_loss(tensors, drawn, self.code(tensors)).mean(),
            "representations": -self.mixture.log_density(drawn, self.allowed(labels)).mean() - log_sd.sum(),
            "mixture": -self.mixture.log_prior() / (n_cells if preset.prior_weight == "once" else 1),
        }
        if self.head is not None and labels is not None:
            known = labels.reshape(-1) < self.n_labels
            if bool(known.any()):
                missed = F.cross_entropy(self.head(z[known]), labels.reshape(-1)[known], reduction="sum")
                found["task"] = preset.task_weight * missed / len(z)
        return found

    @torch.no_grad()
    def start(self, fractions: Tensor) -> None:
        """Start from the mean of the training cells: fractions of the depth for each gene, or of the largest count."""
        inverse = {
            "softmax": torch.log,
            "sigmoid": lambda x: torch.logit(x, eps=1e-6),
            # Small fractions are their own logarithm of 1 + x
            "softplus": lambda x: torch.expm1(x).log(),
        }
        self.output.bias.copy_(inverse[self.preset.activation](fractions.double()))

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any) -> None:
        # A model that is loaded with other cells keeps the representations of those that it was trained on, and its covariates
        first = "hidden.0.weight" if len(self.hidden) else "output.weight"
        for name in ("representations.weight", first):
            fit_shape(self.get_parameter(name), state_dict.get(prefix + name))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _get_inference_input(self, tensors: dict[str, Tensor], **kwargs: Any) -> dict[str, Tensor]:
        return {"index": tensors[KEYS.INDEX]}

    def inference(self, index: Tensor) -> dict[str, Tensor]:
        """Representations of cells that the model was trained on."""
        return {"z": self.representations(index.reshape(-1))}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor], **kwargs: Any
    ) -> dict[str, Tensor]:
        return {"z": inference_outputs["z"], "covariates": self.code(tensors)}

    def generative(self, z: Tensor, covariates: Tensor) -> dict[str, Tensor]:
        """Logarithm of the fraction of the depth for each gene."""
        return {"log_fraction": self.decode(z, covariates)}

    def loss(self, *args: Any, **kwargs: Any) -> LossOutput:
        """The objective has parameters of three kinds, each with an optimiser of its own."""
        msg = "The training plan computes the losses."
        raise NotImplementedError(msg)


def _head(n_latent: int, n_labels: int) -> nn.Sequential:
    """Network that predicts labels from representations."""
    widths: Sequence[int] = (n_latent, _TASK_HIDDEN, max(n_labels // 2, 2), n_labels)
    layers: list[nn.Module] = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), nn.ELU()]
    return nn.Sequential(*layers[:-1])
