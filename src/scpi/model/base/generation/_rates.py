"""Decoded rates of cells, and counts sampled from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.floating[Any]]


class Rates(NamedTuple):
    """Distribution of the counts of cells, up to how many there are of each."""

    fractions: Tensor
    """Expected counts of each gene for a total of one, before any are lost; cells x genes."""
    theta: Tensor | None
    """Inverse overdispersion, (n_genes,) or cells x genes; ``None`` for Poisson counts."""
    dropout_logit: Tensor | None = None
    """Logit of the probability that a count is lost, cells x genes; ``None`` if none are."""
    growth: Tensor | None = None
    """Expected total over that before a perturbation, (n_cells, 1); ``None`` where totals do not change."""

    @classmethod
    def of_logs(cls, logs: Tensor, theta: Tensor) -> Rates:
        """Negative binomial counts, from the logarithms of their expectations for a total of one before a perturbation."""
        return cls(torch.softmax(logs, 1), theta, growth=torch.logsumexp(logs, 1, keepdim=True).exp())

    def expected(self) -> Tensor:
        """Expected counts for a total of one, cells x genes."""
        if self.dropout_logit is None:
            return self.fractions
        return self.fractions * torch.sigmoid(-self.dropout_logit)

    def changed(self) -> Tensor:
        """Expected counts for a total of one before a perturbation, cells x genes."""
        return self.expected() if self.growth is None else self.expected() * self.growth

    def draw(self, library: Floats, rng: np.random.Generator) -> sparse.csr_matrix:
        """Counts of cells with these totals in expectation."""
        mean = self.fractions.double().cpu().numpy() * library[:, None]
        if self.theta is not None:
            theta = self.theta.double().cpu().numpy()
            mean = rng.gamma(np.broadcast_to(theta, mean.shape)) * (mean / theta)
        counts = rng.poisson(mean)
        if self.dropout_logit is not None:
            lost = torch.sigmoid(self.dropout_logit).cpu().numpy()
            counts[rng.random(counts.shape) < lost] = 0
        return sparse.csr_matrix(counts, dtype=np.float32)
