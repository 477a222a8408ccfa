"""A Gaussian mixture with priors on its parameters, as a layer of a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Mapping

Covariance = Literal["fixed", "isotropic", "diagonal"]


class GaussianMixture(nn.Module):
    """Mixture of Gaussians with covariances that are diagonal, isotropic, or isotropic and fixed.

    Means have a softball prior, the logarithms of the precisions a normal and the weights a Dirichlet one. Parameters
    that are loaded may have any number of components.

    Parameters
    ----------
    n_components, n_latent
        Number of components and of latent dimensions.
    covariance
        ``"diagonal"``, ``"isotropic"`` or ``"fixed"``.
    radius, hardness
        Of the softball: means are uniform within the radius, and the larger the hardness, the steeper the edge.
    sd, sd_spread
        The logarithm of a precision has the mean `-2 log(sd)`, where it starts, and the standard deviation `sd_spread`.
    concentration
        Of the Dirichlet prior; 1 for any weights alike.
    """

    def __init__(
        self,
        n_components: int,
        n_latent: int,
        *,
        covariance: Covariance = "diagonal",
        radius: float = 1.0,
        hardness: float = 5.0,
        sd: float = 0.2,
        sd_spread: float = 1.0,
        concentration: float = 1.0,
    ) -> None:
        super().__init__()
        self.n_latent, self.covariance = n_latent, covariance
        self.radius, self.hardness, self.sd_spread, self.concentration = radius, hardness, sd_spread, concentration
        self.log_precision_mean = -2.0 * math.log(sd)
        n_scales = n_latent if covariance == "diagonal" else 1
        self.means = nn.Parameter(draw_in_ball(n_components, n_latent, radius))
        self.log_precision = nn.Parameter(
            torch.full((n_components, n_scales), self.log_precision_mean), requires_grad=covariance != "fixed"
        )
        self.logits = nn.Parameter(torch.zeros(n_components))

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.means)

    @property
    def weights(self) -> Tensor:
        """Weight of each component; they sum to 1."""
        return torch.softmax(self.logits, dim=0)

    @property
    def variances(self) -> Tensor:
        """Variance of each component along each dimension, (n_components, n_latent)."""
        return torch.exp(-self.log_precision).expand(-1, self.n_latent)

    def component_log_density(self, z: Tensor) -> Tensor:
        """Logarithm of the weight times the density of every component, (n_cells, n_components)."""
        # Squares are expanded: no array has cells x components x dimensions
        precision = self.log_precision.exp().expand(-1, self.n_latent)
        distance = z.square() @ precision.T - 2.0 * z @ (precision * self.means).T
        distance = distance + (precision * self.means.square()).sum(1)
        log_scale = self.log_precision.expand(-1, self.n_latent).sum(1) - self.n_latent * math.log(2.0 * math.pi)
        return torch.log_softmax(self.logits, dim=0) + 0.5 * (log_scale - distance)

    def log_density(self, z: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Logarithm of the density, (n_cells,).

        ``allowed``, (n_cells, n_components), marks the components that a cell can come from; all if ``None``.
        """
        found = self.component_log_density(z)
        if allowed is not None:
            found = found.masked_fill(~allowed, -torch.inf)
        return torch.logsumexp(found, dim=1)

    def posterior(self, z: Tensor) -> Tensor:
        """Probability of every component for each cell, (n_cells, n_components)."""
        return torch.softmax(self.component_log_density(z), dim=1)

    def log_prior(self) -> Tensor:
        """Logarithm of the prior density of the parameters."""
        found = softball_log_density(self.means, self.radius, self.hardness).sum()
        found = found + dirichlet_log_density(torch.log_softmax(self.logits, dim=0), self.concentration)
        if self.covariance == "fixed":
            return found
        normal = torch.distributions.Normal(self.log_precision_mean, self.sd_spread)
        return found + normal.log_prob(self.log_precision).sum()

    @torch.no_grad()
    def draw(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw points, (n, n_latent), and the components that they come from."""
        component = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.n_latent, generator=generator, device=self.means.device)
        return self.means[component] + self.variances[component].sqrt() * noise, component

    @torch.no_grad()
    def put(self, means: Tensor, variances: Tensor, weights: Tensor) -> None:
        """Take other parameters, with any number of components."""
        scales = variances if self.covariance == "diagonal" else variances.mean(1, keepdim=True)
        values = {"means": means, "log_precision": -scales.log(), "logits": weights.log()}
        if self.covariance == "fixed":
            values["log_precision"] = torch.full_like(scales, self.log_precision_mean)
        for name, value in values.items():
            parameter = getattr(self, name)
            parameter.data = value.to(parameter.data).clone()

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args: object) -> None:
        for name, parameter in self.named_parameters(recurse=False):
            fit_shape(parameter, state_dict.get(prefix + name))
        super()._load_from_state_dict(state_dict, prefix, *args)


def fit_shape(parameter: nn.Parameter, loaded: Tensor | None) -> None:
    """Give a parameter the shape of what will be loaded into it."""
    if loaded is not None and loaded.shape != parameter.shape:
        parameter.data = parameter.data.new_zeros(loaded.shape)


def draw_in_ball(n: int, n_dimensions: int, radius: float) -> Tensor:
    """Points that are uniform in a ball around the origin, (n, n_dimensions)."""
    direction = F.normalize(torch.randn(n, n_dimensions), dim=1)
    return radius * torch.rand(n, 1) ** (1.0 / n_dimensions) * direction


def softball_log_density(x: Tensor, radius: float, hardness: float) -> Tensor:
    """Logarithm of a density that is uniform in a ball and falls at its edge, for each row; normalised where the edge is hard."""
    n = x.shape[-1]
    constant = math.lgamma(1.0 + n / 2.0) - n * (math.log(radius) + 0.5 * math.log(math.pi))
    # The derivative of a norm is not a number at the origin, where the density is flat
    norm = (x.square().sum(-1) + torch.finfo(x.dtype).tiny).sqrt()
    return constant - F.softplus(hardness * (norm / radius - 1.0))


def dirichlet_log_density(log_weights: Tensor, concentration: float) -> Tensor:
    """Logarithm of the density of a symmetric Dirichlet distribution."""
    n = len(log_weights)
    constant = math.lgamma(n * concentration) - n * math.lgamma(concentration)
    return constant + (concentration - 1.0) * log_weights.sum()
