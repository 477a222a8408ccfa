"""Transform of counts to the input of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # Counts and size factors, and batches where there are factors
    Cells = tuple[Tensor, Tensor | None] | tuple[Tensor, Tensor | None, Tensor | None]

Transform = Literal["pearson", "log", "counts"]

_OVERDISPERSION = 0.01
_LEAST_VARIANCE = 1e-8
# Rounding of fractions in single precision
_SAME = 1e-4


class InputTransform(nn.Module):
    """Transforms counts to the input of a network, with moments estimated from the training cells.

    Parameters
    ----------
    n_genes
        Number of genes.
    kind
        ``"pearson"``: residuals of a negative binomial model of each gene with the depth of the cell, divided by the
        standard deviation of the model and clipped at the square root of the number of training cells (Lause et al.,
        Genome Biol. 22, 2021). ``"log"``: counts scaled to the median depth, log1p, and standardised gene by gene. ``"counts"``: the
        untransformed counts.
    n_batches
        Number of batches, each with a factor of the expected count of every gene; 0 without batches.
    """

    rate: Tensor
    mean: Tensor
    scale: Tensor
    depth: Tensor
    limit: Tensor
    factor: Tensor

    def __init__(self, n_genes: int, kind: Transform, *, n_batches: int = 0) -> None:
        super().__init__()
        self.kind, self.n_batches = kind, n_batches
        if n_batches:
            # The last row is for unknown batches
            self.register_buffer("factor", torch.ones(n_batches + 1, n_genes))
        self.register_buffer("rate", torch.ones(n_genes))
        self.register_buffer("mean", torch.zeros(n_genes))
        self.register_buffer("scale", torch.ones(n_genes))
        self.register_buffer("depth", torch.tensor(1.0))
        self.register_buffer("limit", torch.tensor(float("inf")))

    def relative_depth(self, counts: Tensor, size_factor: Tensor | None = None) -> Tensor:
        """Size factor of each cell, or its total count, over the median of the training cells; (n_cells, 1)."""
        return _size(counts, size_factor)[:, None] / self.depth

    def exposure(self, counts: Tensor, size_factor: Tensor | None = None, batch: Tensor | None = None) -> Tensor:
        """Relative depth, (n_cells, 1); with known batches times their factors, (n_cells, n_genes)."""
        depth = self.relative_depth(counts, size_factor)
        if batch is None or not self.n_batches:
            return depth
        return depth * self.factor[batch.reshape(-1).clamp(max=self.n_batches)]

    def set_factors(self, factor: Tensor) -> None:
        """Set the factors of the batches, (n_batches, n_genes)."""
        self.factor[:-1] = factor

    def forward(self, counts: Tensor, size_factor: Tensor | None = None, batch: Tensor | None = None) -> Tensor:
        """Input of the network, in the shape of the counts."""
        if self.kind == "counts":
            return counts
        depth = self.exposure(counts, size_factor, batch)
        if self.kind == "log":
            return (torch.log1p(counts / depth) - self.mean) / self.scale
        expected = depth * self.rate
        deviation = (expected + _OVERDISPERSION * expected.square()).sqrt()
        residual = (counts - expected) / deviation.clamp(min=_LEAST_VARIANCE**0.5)
        return residual.clamp(-self.limit, self.limit)

    @torch.no_grad()
    def fit(self, batches: Callable[[], Iterable[Cells]]) -> None:
        """Estimate moments in passes over counts, size factors and, with batch factors, batches of training cells."""
        sizes = torch.cat([_size(counts, size) for counts, size, *_ in batches()])
        self.depth.fill_(float(np.median(sizes.numpy())))
        n_cells = len(sizes)
        self.limit.fill_(n_cells**0.5)
        totals, exposed = torch.zeros(2, len(self.rate), dtype=torch.float64)
        for counts, *of_cells in batches():
            totals += counts.double().sum(0)
            exposed += self.exposure(counts, *of_cells).double().sum(0)
        self.rate.copy_(totals / exposed)
        if self.kind == "log":
            _, mean, squares = self._sums(batches, torch.log1p)
            variance = squares / max(n_cells - 1, 1)
            self.mean.copy_(mean)
            # A constant gene stays at zero
            self.scale.copy_(torch.where(variance > _LEAST_VARIANCE, variance, torch.ones_like(variance)).sqrt())

    @torch.no_grad()
    def moments(self, batches: Callable[[], Iterable[Cells]]) -> tuple[Tensor, Tensor]:
        """Mean and variance of the counts of each gene at median depth, after :meth:`fit`."""
        n_cells, mean, squares = self._sums(batches, torch.as_tensor)
        return mean.float(), (squares / n_cells).float()

    def _sums(
        self,
        batches: Callable[[], Iterable[Cells]],
        function: Callable[[Tensor], Tensor],
    ) -> tuple[int, Tensor, Tensor]:
        """Number of cells, and for each gene the mean and the sum of squared deviations of a function of scaled counts."""
        first = second = torch.zeros(len(self.rate), dtype=torch.float64)
        n_cells = 0
        for counts, *of_cells in batches():
            values = function(counts / self.exposure(counts, *of_cells)).double()
            first, second, n_cells = first + values.sum(0), second + values.square().sum(0), n_cells + len(values)
        mean = first / n_cells
        return n_cells, mean, second - n_cells * mean.square()


def check_cells_differ(counts: Tensor, size_factor: Tensor | None = None) -> None:
    """Refuse cells that differ only in depth, such as cells with a single gene (`ValueError`)."""
    # Cells without counts differ from the others only in this
    there = counts.sum(1) > 0
    scaled = (counts / _size(counts, size_factor)[:, None])[there]
    if len(scaled) > 1 and bool((scaled.amax(0) - scaled.amin(0) <= _SAME * scaled.amax(0)).all()):
        msg = (
            f"The {len(scaled)} cells are all the same once they are scaled to the same depth: there is nothing to learn "
            "from. Give more genes, or the depth of each cell, `size_factor_key=`."
        )
        raise ValueError(msg)


def _size(counts: Tensor, size_factor: Tensor | None) -> Tensor:
    """Size factor of each cell, or its total count; a cell without counts is treated as having one count."""
    return counts.sum(1).clamp(min=1.0) if size_factor is None else size_factor.reshape(-1)
