"""Start of the parameters from moments of the data, and renumbering of factors into causal order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scpi.model.senavae._grouping import factor_effects, unmix
from scpi.model.senavae._ordering import order_by_effects

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.senavae._module import SENAVAEModule

_INITIAL_LOGIT = 4.0
_INITIAL_RAW_VARIANCE = -4.0
_NEGLIGIBLE_EDGE = 0.1


@torch.no_grad()
def initialise_interventions(
    module: SENAVAEModule, changes: NDArray[np.floating], precision: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Assign perturbations that move the mean along the same line to the same factor.

    ``changes`` of the mean expression are (n_perturbations, n_genes), with their ``precision``. Returns the effects of
    the factors, (n_factors, n_genes), scaled so that the mean strength of a factor is 1.
    """
    groups, strength, effects = factor_effects(changes, module.n_factors, precision=precision)
    module.intervention.set_assignment(
        torch.from_numpy(_INITIAL_LOGIT * np.eye(module.n_factors)[groups]), torch.from_numpy(strength)
    )
    return effects


@torch.no_grad()
def initialise_linear(module: SENAVAEModule, control: Tensor, directions: NDArray[np.float64]) -> None:
    """Solve a linear encoder and decoder for factors along ``directions`` that have unit variance in control cells.

    ``control`` is transformed expression, (n_cells, n_genes), and ``directions`` the effect of a shift of each factor
    by 1, (n_factors, n_genes).
    """
    centre, inverse, spread = unmix(control.double().cpu().numpy(), directions)
    effects, inverse = directions * spread[:, None], inverse / spread
    strength = module.intervention.strength
    assigned = module.intervention.logits().argmax(1)
    strength.div_(torch.from_numpy(spread).to(strength)[assigned])

    heads, n = module.encoder.heads, module.n_factors
    heads.weight[:n] = torch.from_numpy(inverse.T).to(heads.weight)
    heads.bias[:n] = torch.from_numpy(-centre @ inverse).to(heads.bias)
    heads.weight[n:] = 0.0
    heads.bias[n:] = _INITIAL_RAW_VARIANCE
    module.decoder.first.weight[:, :n] = torch.from_numpy(effects.T).to(heads.weight)
    module.decoder.first.bias.copy_(torch.from_numpy(centre))
    if module.causal.graph is not None:
        module.causal.graph.weight.zero_()


@torch.no_grad()
def effects_on_genes(
    module: SENAVAEModule, control: Tensor, batch: Tensor | None = None
) -> tuple[NDArray[np.float64], Tensor]:
    """Total effect of each factor on the decoded expression, on the scale on which the factors are compared.

    A linear mechanism is compared by one standard deviation of the noise. With a rectified mechanism the spread of the
    noise is known only once the graph is, and factors are compared by the shifts that the interventions make.

    Returns effects of shape (n_factors, n_genes), mean differences over the control cells (transformed expression, and
    their batch), and the size of the unit of each factor.
    """
    z = module.encode(control)[0]
    spread = z.std(0, correction=0).clamp(min=1e-3)
    shifts = typical_shifts(module, spread)
    units = shifts.abs() if module.causal.mechanism == "relu" else spread
    baseline = module.decoder(module.causal(z), batch).mean(0)
    effects = []
    for factor in range(module.n_factors):
        shifted = z.clone()
        shifted[:, factor] += shifts[factor]
        change = module.decoder(module.causal(shifted), batch).mean(0) - baseline
        effects.append(change / shifts[factor] * units[factor])
    return torch.stack(effects).double().cpu().numpy(), units


@torch.no_grad()
def typical_shifts(module: SENAVAEModule, spread: Tensor) -> Tensor:
    """Mean strength, with sign, of the interventions on each factor; its spread where there are none."""
    assignment = module.intervention.assignment()
    shift = assignment * module.intervention.strength[:, None]
    weight = assignment.sum(0)
    strongest = shift.gather(0, shift.abs().argmax(0, keepdim=True))[0]
    return torch.where((weight > 0.5) & (strongest.abs() > 0.1 * spread), strongest, spread)


@torch.no_grad()
def order_factors(module: SENAVAEModule, control: Tensor, batch: Tensor | None = None) -> Tensor:
    """Renumber the factors into the causal order of their effects, and start the graph from these.

    What the model computes does not change for a linear mechanism: the encoder, the interventions and the decoder take
    up the change of coordinates. With a rectified mechanism it changes where parents are below zero. Returns the old
    number of each factor in the new order.
    """
    effects, units = effects_on_genes(module, control, batch)
    order, scaled = order_by_effects(effects)
    new_order = torch.from_numpy(order).to(control.device)
    old = module.causal.adjacency().to(control)[new_order][:, new_order]
    if old.abs().max() > 0 and torch.tril(old, -1).abs().max() <= _NEGLIGIBLE_EDGE * old.abs().max():
        # The order agrees with the graph that was learned: keep the graph.
        graph = torch.triu(old, 1)
    else:
        graph = torch.from_numpy(scaled).to(control) / units[:, None] * units
        graph = torch.triu(graph[new_order][:, new_order], 1)
    _renumber(module, new_order, graph)
    return new_order


def _renumber(module: SENAVAEModule, order: Tensor, graph: Tensor) -> None:
    """Change to factors in ``order`` with the adjacency ``graph``, keeping the linear maps around them."""
    eye = torch.eye(module.n_factors, dtype=graph.dtype, device=graph.device)
    permute = eye[:, order]
    old = eye - module.causal.adjacency().to(graph)
    new = eye - graph
    # Rows: z_new = z P, u = z (I - G)^-1, hence u_old = u_new (I - G_new) P' (I - G_old)^-1.
    to_old = new @ permute.t() @ torch.linalg.inv(old)
    module.encoder.map_mean(torch.linalg.inv(to_old) if module.preset.causal_posterior else permute)
    module.encoder.permute_variance(order)
    module.decoder.map_factors(to_old)
    module.intervention.permute_factors(order)
    if module.causal.graph is not None:
        module.causal.graph.set_adjacency(graph)
