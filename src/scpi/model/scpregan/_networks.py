"""Encoder, generators and discriminators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.model.scpregan._presets import Output


class Encoder(nn.Sequential):
    """Expression to latent units, (n_cells, n_latent).

    Parameters
    ----------
    n_genes, n_hidden, n_latent
        Widths of the layers.
    """

    def __init__(self, n_genes: int, n_hidden: Sequence[int], n_latent: int) -> None:
        widths = [n_genes, *n_hidden]
        layers = [
            layer
            for n_in, n_out in zip(widths[:-1], widths[1:], strict=True)
            for layer in (nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.ReLU())
        ]
        super().__init__(*layers, nn.Linear(widths[-1], n_latent))


class Decoder(nn.Module):
    """Latent units to expression, which is not negative, (n_cells, n_genes).

    Perturbations scale and shift the normalised units of every hidden layer. What they do adds up, each in proportion
    to its scaled dose, and is nothing at first. Vectors that are read beside the latent units would be easier to pass
    over, for the encoder sees what was done to a cell as well.

    The hidden layers are those of the encoder in reverse order. With 0 perturbations it is a decoder of one condition.
    """

    def __init__(
        self, n_latent: int, n_hidden: Sequence[int], n_genes: int, *, output: Output, n_perturbations: int = 0
    ) -> None:
        super().__init__()
        widths = [n_latent, *reversed(n_hidden)]
        self.linear = nn.ModuleList([nn.Linear(*pair) for pair in zip(widths[:-1], widths[1:], strict=True)])
        self.norm = nn.ModuleList([nn.LayerNorm(width) for width in widths[1:]])
        last: list[nn.Module] = [nn.Linear(widths[-1], n_genes)]
        if output == "layer_norm":
            last.append(nn.LayerNorm(n_genes))
        self.last = nn.Sequential(*last, nn.Softplus() if output == "softplus" else nn.ReLU())
        effects = widths[1:] if n_perturbations else []
        self.scales = nn.ParameterList([nn.Parameter(torch.zeros(n_perturbations, width)) for width in effects])
        self.shifts = nn.ParameterList([nn.Parameter(torch.zeros(n_perturbations, width)) for width in effects])

    def forward(self, z: Tensor, dose: Tensor) -> Tensor:
        """Expression at scaled doses (n_cells, n_perturbations)."""
        hidden = z
        for index, (linear, norm) in enumerate(zip(self.linear, self.norm, strict=True)):
            hidden = norm(linear(hidden))
            if len(self.scales):
                hidden = hidden * (1.0 + dose @ self.scales[index]) + dose @ self.shifts[index]
            hidden = hidden.relu()
        found: Tensor = self.last(hidden)
        return found


class Generators(nn.Module):
    """A generator for controls and one for treated cells, which tells perturbations apart if there are several."""

    def __init__(
        self, n_latent: int, n_hidden: Sequence[int], n_genes: int, *, output: Output, n_perturbations: int
    ) -> None:
        super().__init__()
        self.control = Decoder(n_latent, n_hidden, n_genes, output=output)
        self.treated = Decoder(n_latent, n_hidden, n_genes, output=output, n_perturbations=n_perturbations)

    def forward(self, z: Tensor, dose: Tensor) -> Tensor:
        """Expression at scaled doses (n_cells, n_perturbations): by the largest, between that of both generators."""
        amount = dose.abs().amax(1, keepdim=True)
        if not amount.any():
            return self.control(z, dose)
        if (amount == 1).all():
            return self.treated(z, dose)
        return torch.lerp(self.control(z, dose), self.treated(z, dose), amount)


class Discriminator(nn.Module):
    """Tells measured from generated cells, and contexts from each other, by spectrally normalised layers.

    With perturbations to tell apart, the direction between measured and generated cells moves with the scaled doses.
    """

    def __init__(self, n_genes: int, n_hidden: Sequence[int], *, n_contexts: int, n_perturbations: int = 0) -> None:
        super().__init__()
        widths = [n_genes, *n_hidden]
        self.trunk = nn.Sequential(
            *(
                layer
                for n_in, n_out in zip(widths[:-1], widths[1:], strict=True)
                for layer in (spectral_norm(nn.Linear(n_in, n_out)), nn.ReLU())
            )
        )
        self.measured = nn.Linear(widths[-1], 1)
        self.context = nn.Linear(widths[-1], n_contexts) if n_contexts else None
        self.direction = nn.Parameter(torch.zeros(n_perturbations, widths[-1])) if n_perturbations else None

    def forward(self, x: Tensor, dose: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of being measured, (n_cells,), and of the contexts, (n_cells, n_contexts)."""
        hidden = self.trunk(x)
        logits = self.measured(hidden).squeeze(1)
        if self.direction is not None:
            logits = logits + (hidden * (dose @ self.direction)).sum(1)
        return logits, None if self.context is None else self.context(hidden)


class Discriminators(nn.Module):
    """A discriminator for controls and one for treated cells, which tells perturbations apart as the generators do."""

    def __init__(self, n_genes: int, n_hidden: Sequence[int], *, n_contexts: int, n_perturbations: int) -> None:
        super().__init__()
        self.control = Discriminator(n_genes, n_hidden, n_contexts=n_contexts)
        self.treated = Discriminator(n_genes, n_hidden, n_contexts=n_contexts, n_perturbations=n_perturbations)

    def forward(self, x: Tensor, dose: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of cells of one domain."""
        network = self.treated if dose.any() else self.control
        found: tuple[Tensor, Tensor | None] = network(x, dose)
        return found
