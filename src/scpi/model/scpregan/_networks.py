"""Encoder, generators and discriminators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.model.scpregan._presets import Output


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    """Linear layers, each with its normalisation over units and a ReLU."""
    found: list[nn.Module] = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        found += [nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.ReLU()]
    return found


class Encoder(nn.Sequential):
    """Expression to latent units, (n_cells, n_latent).

    Parameters
    ----------
    n_genes, n_hidden, n_latent
        Widths of the layers.
    """

    def __init__(self, n_genes: int, n_hidden: Sequence[int], n_latent: int) -> None:
        super().__init__(*_layers([n_genes, *n_hidden]), nn.Linear(n_hidden[-1], n_latent))


class Decoder(nn.Sequential):
    """Latent units to expression, which is not negative, (n_cells, n_genes).

    Parameters
    ----------
    n_in
        Number of inputs.
    n_hidden
        Units of the hidden layers of the encoder, whose order is reversed.
    n_genes
        Number of genes.
    output
        What makes the last layer positive; ``"layer_norm"`` standardises the genes of each cell before a ReLU.
    """

    def __init__(self, n_in: int, n_hidden: Sequence[int], n_genes: int, *, output: Output) -> None:
        widths = [n_in, *reversed(n_hidden)]
        last: list[nn.Module] = [nn.Linear(widths[-1], n_genes)]
        if output == "layer_norm":
            last.append(nn.LayerNorm(n_genes))
        last.append(nn.Softplus() if output == "softplus" else nn.ReLU())
        super().__init__(*_layers(widths), *last)


class PairedGenerators(nn.Module):
    """A generator for the controls and one for the only condition, as published.

    Parameters
    ----------
    n_latent, n_hidden, n_genes, output
        As in :class:`Decoder`.
    """

    def __init__(self, n_latent: int, n_hidden: Sequence[int], n_genes: int, *, output: Output) -> None:
        super().__init__()
        self.control = Decoder(n_latent, n_hidden, n_genes, output=output)
        self.treated = Decoder(n_latent, n_hidden, n_genes, output=output)

    def forward(self, z: Tensor, dose: Tensor) -> Tensor:
        """Expression at scaled doses (n_cells, n_perturbations): on the line between both generators within 0 and 1."""
        amount = _amount(dose)
        if not amount.any():
            return self.control(z)
        if (amount == 1).all():
            return self.treated(z)
        return torch.lerp(self.control(z), self.treated(z), amount).clamp(min=0.0)


class SharedGenerator(nn.Module):
    """One generator for all conditions: perturbations scale and shift the normalised units of every hidden layer.

    What perturbations do adds up, each in proportion to its scaled dose, and is nothing for a control. Vectors that are
    read beside the latent units would be easier to pass over: the encoder sees what was done to a cell as well.

    Parameters
    ----------
    n_latent, n_hidden, n_genes, output
        As in :class:`Decoder`.
    n_perturbations
        Number of perturbations.
    """

    def __init__(
        self, n_latent: int, n_hidden: Sequence[int], n_genes: int, *, output: Output, n_perturbations: int
    ) -> None:
        super().__init__()
        self.decoder = Decoder(n_latent, n_hidden, n_genes, output=output)
        widths = [*reversed(n_hidden)]
        self.scales = nn.ParameterList([nn.Parameter(torch.zeros(n_perturbations, width)) for width in widths])
        self.shifts = nn.ParameterList([nn.Parameter(torch.zeros(n_perturbations, width)) for width in widths])

    def forward(self, z: Tensor, dose: Tensor) -> Tensor:
        """Expression at scaled doses (n_cells, n_perturbations)."""
        effects = iter(zip(self.scales, self.shifts, strict=True))
        for layer in self.decoder:
            z = layer(z)
            effect = next(effects, None) if isinstance(layer, nn.LayerNorm) else None
            if effect is not None:
                scale, shift = effect
                z = z * (1.0 + dose @ scale) + dose @ shift
        return z


class Discriminator(nn.Module):
    """Tells measured from generated cells, and contexts from each other, by two spectrally normalised layers.

    Parameters
    ----------
    n_genes, n_hidden
        Widths of the layers.
    n_contexts
        Number of contexts; 0 for no such head.
    n_perturbations
        Perturbations that it has to know of, because it judges several conditions: the direction that tells measured
        from generated cells then moves with the scaled doses; 0 if it judges one.
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


class PairedDiscriminators(nn.Module):
    """A discriminator for the controls and one for the only condition, as published.

    Parameters
    ----------
    n_genes, n_hidden, n_contexts
        As in :class:`Discriminator`.
    """

    def __init__(self, n_genes: int, n_hidden: Sequence[int], *, n_contexts: int) -> None:
        super().__init__()
        self.control = Discriminator(n_genes, n_hidden, n_contexts=n_contexts)
        self.treated = Discriminator(n_genes, n_hidden, n_contexts=n_contexts)

    def forward(self, x: Tensor, dose: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of cells of one arm."""
        network = self.treated if dose.any() else self.control
        found: tuple[Tensor, Tensor | None] = network(x, dose)
        return found


def _amount(dose: Tensor) -> Tensor:
    """Dose of the only condition, in which all perturbations have the same, (n_cells, 1)."""
    return dose.mean(1, keepdim=True)
