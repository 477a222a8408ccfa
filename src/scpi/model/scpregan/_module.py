"""Networks and objectives of an SCPREGAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from scpi.model.base.training._plan_module import PlanModule
from scpi.model.scpregan._losses import context_loss, encoding_loss, source_loss
from scpi.model.scpregan._networks import Discriminators, Encoder, Generators

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.model.scpregan._presets import Preset


class Domain(NamedTuple):
    """Control or treated cells in half a step."""

    x: Tensor
    """Expression, (n_cells, n_genes)."""
    dose: Tensor
    """Scaled doses, (n_cells, n_perturbations)."""
    context: Tensor | None
    """Code of the context of each cell, (n_cells,)."""


class SCPREGANModule(PlanModule):
    """Shared encoder, generators of both domains, and the discriminators that judge what they generate.

    Without contexts the discriminators have no head for them. If there are ``several`` conditions, the networks of
    treated cells tell their perturbations apart.
    """

    reference_dose: Tensor

    def __init__(self, n_genes: int, n_perturbations: int, *, n_contexts: int, several: bool, preset: Preset) -> None:
        super().__init__()
        self.preset, self.several = preset, several
        hidden, latent = preset.n_hidden, preset.n_latent
        n_effects = n_perturbations if several else 0
        self.encoder = Encoder(n_genes, hidden, latent)
        self.generators = Generators(latent, hidden, n_genes, output=preset.output, n_perturbations=n_effects)
        self.discriminators = Discriminators(n_genes, hidden, n_contexts=n_contexts, n_perturbations=n_effects)
        # Largest training dose of each perturbation; 0 for one without training cells
        self.register_buffer("reference_dose", torch.zeros(n_perturbations))

    def scaled(self, design: Tensor) -> Tensor:
        """Doses (n_cells, n_perturbations), after log1p, as fractions of the largest training dose, at most 1."""
        reference = self.reference_dose
        ratio = design.abs().log1p() / torch.where(reference == 0, 1.0, reference.abs().log1p())
        return (ratio * design.sign() * reference.sign()).clamp(-1.0, 1.0)

    def transfer(self, x: Tensor, *, own: Tensor, other: Tensor) -> Tensor:
        """Cells as those of another condition, from what is generated for their own condition and for the other."""
        return (x + (other - own)).clamp(min=0.0) if self.preset.residual else other

    def encode(self, x: Tensor) -> Tensor:
        """Latent units of cells, (n_cells, n_latent)."""
        units: Tensor = self.encoder(x)
        return units

    def predict(self, x: Tensor, dose: Tensor) -> Tensor:
        """Control cells at scaled doses (n_cells, n_perturbations)."""
        z = self.encoder(x)
        other = self.generators(z, dose)
        own = self.generators(z, torch.zeros_like(dose)) if self.preset.residual else other
        return self.transfer(x, own=own, other=other)

    def _generate(self, z: Tensor, control: Domain, treated: Domain) -> tuple[Tensor, ...]:
        """Expression from the latent units of both domains: controls as controls, treated as controls, and so on."""
        as_control = self.generators(z, torch.cat([control.dose, control.dose])).chunk(2)
        as_treated = self.generators(z, torch.cat([treated.dose, treated.dose])).chunk(2)
        return *as_control, *as_treated

    def discriminator_losses(self, control: Domain, treated: Domain) -> dict[str, Tensor]:
        """Terms of the objective of the discriminators, by name, from as many cells of both domains."""
        with torch.no_grad():
            z = self.encoder(torch.cat([control.x, treated.x]))
            own_control, to_control, to_treated, own_treated = self._generate(z, control, treated)
            to_treated = self.transfer(control.x, own=own_control, other=to_treated)
            to_control = self.transfer(treated.x, own=own_treated, other=to_control)
        source, context = [], []
        for domain, made, origin in ((control, to_control, treated), (treated, to_treated, control)):
            logits, classes = self._judge([domain.x, made], domain.dose)
            source += [source_loss(logits[0], measured=True), source_loss(logits[1], measured=False)]
            # A generated cell has the context of the cell that it was made from
            context += [context_loss(*pair) for pair in zip(classes, (domain.context, origin.context), strict=True)]
        return {"discriminator": torch.stack(source).sum(), "discriminator_context": torch.stack(context).sum()}

    def generator_losses(self, control: Domain, treated: Domain) -> dict[str, Tensor]:
        """Terms of the objective of the generators and of the encoder, by name, without their weights, as above."""
        z = self.encoder(torch.cat([control.x, treated.x]))
        own_control, to_control, to_treated, own_treated = self._generate(z, control, treated)
        losses = {"reconstruction": F.mse_loss(own_control, control.x) + F.mse_loss(own_treated, treated.x)}
        to_treated = self.transfer(control.x, own=own_control, other=to_treated)
        to_control = self.transfer(treated.x, own=own_treated, other=to_control)

        codes = self.encoder(torch.cat([own_control, to_control, to_treated, own_treated])).chunk(4)
        z_control, z_treated = z.chunk(2)
        origins = (z_control, z_treated, z_control, z_treated)
        losses["encoding"] = torch.stack([encoding_loss(*pair) for pair in zip(codes, origins, strict=True)]).sum()

        made = {"control": [(to_control, treated)], "treated": [(to_treated, control)]}
        if not self.preset.residual:
            back_control = self.generators(codes[2], control.dose)
            back_treated = self.generators(codes[1], treated.dose)
            losses["cycle"] = F.mse_loss(back_control, control.x) + F.mse_loss(back_treated, treated.x)
            made["control"] += [(own_control, control), (back_control, control)]
            made["treated"] += [(own_treated, treated), (back_treated, treated)]
        source, context = [], []
        for dose, cells in ((control.dose, made["control"]), (treated.dose, made["treated"])):
            logits, classes = self._judge([x for x, _ in cells], dose)
            source += [source_loss(values, measured=True) for values in logits]
            # A generated cell has the context of the cell that it was made from
            context += [
                context_loss(values, origin.context) for values, (_, origin) in zip(classes, cells, strict=True)
            ]
        return losses | {"adversarial": torch.stack(source).sum(), "context": torch.stack(context).sum()}

    def _judge(self, cells: Sequence[Tensor], dose: Tensor) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
        """Logits of the discriminator of a domain for several sets of as many cells."""
        n = len(cells)
        logits, classes = self.discriminators(torch.cat([*cells]), dose.repeat(n, 1))
        return logits.chunk(n), [None] * n if classes is None else classes.chunk(n)

    def generator_objective(self, losses: dict[str, Tensor]) -> Tensor:
        """Weighted sum of the terms of :meth:`generator_losses`."""
        preset = self.preset
        return (
            losses["reconstruction"]
            + preset.encoding_weight * losses["encoding"]
            + preset.cycle_weight * losses.get("cycle", 0.0)
            + preset.adversarial_weight * (losses["adversarial"] + losses["context"])
        )
