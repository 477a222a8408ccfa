"""The network: an autoencoder for each domain and a translator between their embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import nn
from torch.nn.functional import mse_loss

from scpi.model.base._constants import KEYS
from scpi.model.base.training._plan_module import PlanModule
from scpi.model.scbutterfly._losses import discrimination, kl_to_standard, mixed
from scpi.model.scbutterfly._networks import Autoencoder, Bridge, Conditions, Discriminator, Normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from scpi.model.scbutterfly._presets import Preset

Side = Literal["control", "treated"]
SIDES: tuple[Side, Side] = ("control", "treated")


class Joint(NamedTuple):
    """Outcome of the joint phase for a batch."""

    reconstruction: Tensor
    """Squared errors of both domains, from either domain, averaged over cells and genes and summed."""
    kl: Tensor
    """Sum of the divergences of both domains."""
    encoded: Mapping[Side, Tensor]
    """Embedding of each domain by its encoder."""
    translated: Mapping[Side, Tensor]
    """Embedding of each domain, translated from the other."""


class SCButterflyModule(PlanModule):
    """Autoencoders of control and treated cells, whose embeddings are translated into each other.

    The treated domain depends on the condition if the network is ``conditional``, as it is for several conditions.
    """

    trained: Tensor

    def __init__(self, n_genes: int, n_conditions: int, *, preset: Preset, conditional: bool) -> None:
        super().__init__()
        self.n_genes, self.preset = n_genes, preset
        hidden = {"control": preset.control_hidden, "treated": preset.treated_hidden}
        self.autoencoders = nn.ModuleDict({side: Autoencoder(n_genes, hidden[side], preset) for side in SIDES})
        sizes = preset.n_latent, preset.n_translator
        # Each domain learns by itself first, over a posterior of its own that is not needed later
        self.own = nn.ModuleDict({side: Bridge((side,), *sizes) for side in SIDES})
        self.translator = Bridge(SIDES, *sizes)
        self.discriminators = nn.ModuleDict({side: Discriminator(preset.n_latent) for side in SIDES})
        self.encoder_conditions = Conditions(n_conditions, preset.n_latent) if conditional else None
        self.decoder_conditions = Conditions(n_conditions, preset.n_latent) if conditional else None
        self.register_buffer("trained", torch.zeros(n_conditions, dtype=torch.bool))

    def autoencoder(self, side: Side) -> Autoencoder:
        """Autoencoder of a domain."""
        autoencoder = self.autoencoders[side]
        assert isinstance(autoencoder, Autoencoder)
        return autoencoder

    @torch.no_grad()
    def start_from(self, means: Mapping[Side, Tensor]) -> None:
        """Begin with the mean expression of each domain where decoders end in a linear layer."""
        for side, mean in means.items():
            last = self.autoencoder(side).decoder[-1]
            if isinstance(last, nn.Linear):
                last.bias.copy_(mean)

    def encode(self, x: Tensor, side: Side, code: Tensor | None) -> Tensor:
        """Embedding of cells of a domain; that of treated cells is freed of their condition."""
        h = self.autoencoder(side).encode(x)
        return h if side == "control" else _under(self.encoder_conditions, h, code)

    def decode(self, h: Tensor, side: Side, code: Tensor | None) -> Tensor:
        """Expression of cells of a domain, treated ones under a condition."""
        return self.autoencoder(side).decode(h if side == "control" else _under(self.decoder_conditions, h, code))

    def posterior(self, x: Tensor, side: Side, code: Tensor | None = None) -> Normal:
        """Posterior of cells of a domain in the space that both domains share."""
        return self.translator.posterior(self.encode(x, side, code), side)

    def expression(self, z: Tensor, side: Side, code: Tensor | None = None) -> Tensor:
        """Expression in a domain, from the space that both domains share."""
        return self.decode(self.translator.embedding(z, side), side, code)

    def translate(self, x: Tensor, source: Side, code: Tensor | None) -> Tensor:
        """Expression of cells of the domain ``source`` in the other, by the mean of the posterior.

        The condition of the treated side is ``code``, (n_cells,).
        """
        z = self.posterior(x, source, code).mean
        target = SIDES[source == "control"]
        translated = self.expression(z, target, code)
        if not self.preset.keep_residual:
            return translated
        return x + translated - self.expression(z, source, code)

    def own_losses(self, batch: Mapping[str, Tensor], side: Side) -> dict[str, Tensor]:
        """Squared error and divergence of a domain by itself."""
        x, code = batch[KEYS.X if side == "control" else KEYS.PERTURBED], batch[KEYS.CONDITION]
        own = self.own[side]
        assert isinstance(own, Bridge)
        posterior = own.posterior(self.encode(x, side, code), side)
        h = own.embedding(posterior.draw() if self.training else posterior.mean, side)
        return {"reconstruction": mse_loss(self.decode(h, side, code), x), "kl": kl_to_standard(posterior)}

    def joint(self, batch: Mapping[str, Tensor]) -> Joint:
        """Losses of both domains from either, and the embeddings that the discriminators compare."""
        code = batch[KEYS.CONDITION]
        x: dict[Side, Tensor] = {"control": batch[KEYS.X], "treated": batch[KEYS.PERTURBED]}
        encoded = {side: self.encode(x[side], side, code) for side in SIDES}
        reconstruction = kl = torch.zeros((), device=code.device)
        translated: dict[Side, Tensor] = {}
        for source in SIDES:
            posterior = self.translator.posterior(encoded[source], source)
            z = posterior.draw() if self.training else posterior.mean
            kl = kl + kl_to_standard(posterior)
            for target in SIDES:
                h = self.translator.embedding(z, target)
                if target != source:
                    translated[target] = h
                reconstruction = reconstruction + mse_loss(self.decode(h, target, code), x[target])
        return Joint(reconstruction, kl, encoded, translated)

    def discriminator_loss(
        self, encoded: Mapping[Side, Tensor], translated: Mapping[Side, Tensor], label: Tensor
    ) -> Tensor:
        """Sum over the domains of the loss of the discriminator that is shown one embedding of each cell."""
        losses = [
            discrimination(self.discriminators[side](mixed(encoded[side], translated[side], label)), label)
            for side in SIDES
        ]
        return torch.stack(losses).sum()

    def networks(self) -> list[nn.Parameter]:
        """All parameters but those of the discriminators."""
        return [value for name, value in self.named_parameters() if not name.startswith("discriminators.")]

    def inference(self, x: Tensor) -> dict[str, Tensor]:
        """Posterior means of control cells."""
        return {"z": self.posterior(x, "control").mean}


def _under(conditions: Conditions | None, h: Tensor, code: Tensor | None) -> Tensor:
    """Embedding under conditions, where it depends on them and they are given."""
    if conditions is None or code is None:
        return h
    under: Tensor = conditions(h, code)
    return under
