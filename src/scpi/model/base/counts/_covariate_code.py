"""Input of a decoder from the covariates of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class CovariateCode(nn.Module):
    """Indicators of the categories of each covariate, then the continuous ones, standardised.

    Parameters
    ----------
    n_categories
        Number of categories of each categorical covariate, of the batch first.
    n_continuous
        Number of continuous covariates.
    """

    sizes: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, n_categories: Sequence[int], n_continuous: int) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.tensor(list(n_categories), dtype=torch.long))
        self.register_buffer("mean", torch.zeros(n_continuous))
        self.register_buffer("scale", torch.ones(n_continuous))

    @property
    def n_outputs(self) -> int:
        """Length of the code of a cell."""
        return int(self.sizes.sum()) + len(self.mean)

    @torch.no_grad()
    def fit(self, continuous: Tensor) -> None:
        """Learn the moments of the continuous covariates of the training cells."""
        self.mean.copy_(continuous.mean(0))
        spread = continuous.std(0, unbiased=False)
        self.scale.copy_(torch.where(spread > 0, spread, 1.0))

    def read(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Codes of the categories and values of the continuous covariates of a batch of cells, cells x covariates."""
        n_cells = len(tensors[KEYS.X])
        codes = [tensors[key].reshape(n_cells, -1).long() for key in (KEYS.BATCH, KEYS.CATEGORICAL) if key in tensors]
        empty = torch.zeros(n_cells, 0, device=tensors[KEYS.X].device)
        return torch.cat(codes, dim=1) if codes else empty.long(), tensors.get(KEYS.CONTINUOUS, empty)

    def forward(self, codes: Tensor, values: Tensor, unseen: Sequence[Tensor] | None = None) -> Tensor:
        """Code of each cell, (n_cells, n_outputs).

        Categories that come after those of the training are read as mixtures of these: as ``unseen`` says for each
        covariate, (n_unseen, n_categories), or as their mean.
        """
        parts = [
            self._indicators(codes[:, place], int(size), None if unseen is None else unseen[place])
            for place, size in enumerate(self.sizes)
        ]
        return torch.cat([*parts, (values - self.mean) / self.scale], dim=1)

    def _indicators(self, codes: Tensor, size: int, unseen: Tensor | None) -> Tensor:
        known = F.one_hot(codes.clamp(max=size - 1), size).to(self.mean.dtype)
        is_new = codes >= size
        if not bool(is_new.any()):
            return known
        rows = torch.full_like(known, 1.0 / size) if unseen is None else unseen[(codes - size).clamp(min=0)]
        return torch.where(is_new[:, None], rows, known)

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any) -> None:
        # Categories that only the cells have that a model is loaded with are not known to it
        self.sizes = state_dict.get(f"{prefix}sizes", self.sizes).clone().to(self.sizes.device)
        super()._load_from_state_dict(state_dict, prefix, *args)
