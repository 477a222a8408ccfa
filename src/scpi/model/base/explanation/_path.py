"""Integrated gradients from the units that a perturbation shifts to the genes that change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float64]

# Gauss-Legendre: exact for a decoder that is linear, and for polynomials of degree below 32
_N_STEPS = 16
# Cells, each as often as there are groups of inputs, that are decoded at a time
_MOST_ROWS = 2000


class Path(NamedTuple):
    """Inputs of a decoder for cells without and with a perturbation."""

    decode: Callable[[Tensor, Tensor], Tensor]
    """Expression of cells from their inputs, and their places among the cells; cells x genes."""
    start: Tensor
    """Inputs without the perturbation, cells x inputs."""
    end: Tensor
    """Inputs with it."""
    scale: Tensor
    """By what the decoded change of each cell is multiplied, (n_cells, 1)."""

    def _of(self, cells: Tensor, inputs: Tensor) -> Tensor:
        return self.decode(inputs, cells)

    def first(self, n: int) -> Path:
        """The same of the first cells."""
        return self._replace(start=self.start[:n], end=self.end[:n], scale=self.scale[:n])

    @torch.no_grad()
    def change(self, kept: NDArray[np.bool_] | None = None) -> Floats:
        """Mean decoded change, (n_genes,), where some inputs stay as they are without the perturbation."""
        end, cells = self.end, torch.arange(len(self.end), device=self.end.device)
        if kept is not None:
            end = torch.where(torch.from_numpy(kept).to(end.device), self.end, self.start)
        return _mean(self.scale * (self.decode(end, cells) - self.decode(self.start, cells)))

    @torch.no_grad()
    def contributions(self, groups: Sequence[NDArray[np.intp]], *, n_steps: int = _N_STEPS) -> Floats:
        r"""Mean contribution of groups of inputs to the decoded change, groups x genes.

        That of the inputs :math:`j` on the straight line from start :math:`a` to end :math:`b` is :math:`\sum_j (b_j - a_j)
        \int_0^1 \partial_j f(a + t (b - a))\, dt`, whose sum over all is :math:`f(b) - f(a)` (Sundararajan et al., ICML 2017). A decoder
        has fewer inputs than genes: the slopes are found by forward differentiation, for all genes at once.
        """
        run = self.end - self.start
        cells = torch.arange(len(run), device=run.device)
        places, weights = np.polynomial.legendre.leggauss(n_steps)
        at_once = max(1, _MOST_ROWS // len(run))
        found = []
        for begin in range(0, len(groups), at_once):
            some = groups[begin : begin + at_once]
            along = torch.zeros((len(some), *run.shape), dtype=run.dtype, device=run.device)
            for row, columns in enumerate(some):
                along[row, :, columns] = run[:, columns]
            # Groups are cells of their own, all in one pass
            again = cells.repeat(len(some))
            total = torch.zeros((), dtype=torch.float64, device=run.device)
            for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
                between = (self.start + float(place) * run).repeat(len(some), 1)
                slope: Tensor = torch.func.jvp(partial(self._of, again), (between,), (along.flatten(0, 1),))[1]
                total = total + float(weight) * (self.scale * slope.unflatten(0, (len(some), -1))).double().mean(dim=1)
            found.append(total)
        return np.asarray(torch.cat(found).cpu().numpy())


def _mean(change: Tensor) -> Floats:
    return np.asarray(change.double().mean(dim=0).cpu().numpy())


@torch.no_grad()
def shuffle_parameters(network: torch.nn.Module, rng: np.random.Generator) -> None:
    """Put the values of each tensor of parameters into another order."""
    for parameter in network.parameters():
        order = torch.from_numpy(rng.permutation(parameter.numel())).to(parameter.device)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
