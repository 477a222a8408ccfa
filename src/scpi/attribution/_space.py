"""Space in which slopes are computed: the genes, or the hidden units of a linear first layer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from scpi.attribution._target import AttributionTarget

# Number of cells on which a function is checked first
N_TRIED = 4


class Space:
    """Coordinates of a target, with maps of cells to coordinates and of slopes back to genes.

    If a function reads genes only through one linear layer, its slopes depend on the values of that layer only, and a
    straight line between two cells is a straight line between their hidden units. Gradients, and means of gradients
    along such lines, are therefore computed at the hidden units, which are fewer, and mapped to the genes at the end.
    If no device is given, that of the projection is used, or else the CPU.
    """

    def __init__(self, target: AttributionTarget, device: str | torch.device | None) -> None:
        if (target.projection is None) != (target.head is None):
            msg = "An attribution target has both a `projection` and a `head`, or neither."
            raise ValueError(msg)
        self._transform = target.transform
        self._projection = None if target.projection is None else target.projection.detach()
        if device is None:
            device = "cpu" if self._projection is None else self._projection.device
        self.device = torch.device(device)
        self.dtype = torch.float32 if self._projection is None else self._projection.dtype
        if self._projection is not None:
            self._projection = self._projection.to(self.device)
        self._head = target.function if target.head is None else target.head

    @property
    def n_coordinates(self) -> int | None:
        """Number of hidden units; `None` if the coordinates are the genes."""
        return None if self._projection is None else self._projection.shape[1]

    @cached_property
    def noise_root(self) -> Tensor | None:
        """Square root of the covariance of the hidden units under independent noise of the genes."""
        return None if self._projection is None else torch.linalg.qr(self._projection, mode="r").R

    def read(self, x: Any) -> Tensor:
        """Convert rows of registered expression, dense or sparse, to the input of the function."""
        tensor = torch.from_numpy(np.ascontiguousarray(as_dense(x))).to(device=self.device, dtype=self.dtype)
        with torch.no_grad():
            read = self._transform(tensor).to(self.dtype)
        if self._projection is not None and read.shape[1] != len(self._projection):
            msg = f"The projection of the target has {len(self._projection)} rows, but its input {read.shape[1]} genes."
            raise ValueError(msg)
        return read

    def enter(self, x: Tensor) -> Tensor:
        """Map cells to coordinates."""
        return x if self._projection is None else x @ self._projection

    def leave(self, slopes: Tensor) -> Tensor:
        """Map slopes along the coordinates to slopes along the genes."""
        return slopes if self._projection is None else slopes @ self._projection.T

    def shift(self, u: Tensor, genes: Tensor, change: Tensor) -> Tensor:
        """Compute the coordinates of cells after one gene of each has changed."""
        if self._projection is not None:
            return u + change[:, None] * self._projection[genes]
        return u.scatter_add(1, genes[:, None], change[:, None])

    def outputs(self, u: Tensor) -> Tensor:
        """Compute the outputs of the function, rows x outputs."""
        return self._head(u)

    def values(self, u: Tensor, outputs: Sequence[int]) -> Tensor:
        """Compute some outputs, outputs x rows."""
        with torch.no_grad():
            return self.outputs(u)[:, list(outputs)].T

    def slopes(self, u: Tensor, outputs: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Compute some outputs, outputs x rows, and their slopes, outputs x rows x coordinates.

        Rows are independent, so the gradient of a sum over rows contains that of each row. The outputs share one
        forward pass.
        """
        u = u.detach().requires_grad_(True)
        with torch.enable_grad():
            values = self.outputs(u)[:, list(outputs)]
            if not values.requires_grad:
                msg = (
                    "The function of the target has no gradient: it must be made of differentiable operations of torch."
                )
                raise ValueError(msg)
            sums = values.sum(0)
            found = [torch.autograd.grad(total, u, retain_graph=True, allow_unused=True)[0] for total in sums]
        slopes = torch.stack([torch.zeros_like(u) if slope is None else slope for slope in found])
        return values.detach().T, slopes

    def check(self, x: Tensor, n_outputs: int) -> None:
        """Raise a ValueError unless the function has the outputs that it names, and is deterministic for each cell.

        Its values must depend neither on random numbers nor on other cells.
        """
        u = self.enter(x[:N_TRIED])
        with torch.no_grad():
            found = self.outputs(u)
            if found.ndim != 2 or found.shape != (len(u), n_outputs):
                msg = (
                    f"The function of the target returned values of shape {tuple(found.shape)} for {len(u)} cells, but "
                    f"must return one for each of its {n_outputs} outputs."
                )
                raise ValueError(msg)
            if not bool(found.isfinite().all()):
                msg = "The function of the target returned NaN or infinite values."
                raise ValueError(msg)
            pairs = torch.cat([self.outputs(pair) for pair in (u[:2], u[2:])]) if len(u) == N_TRIED else self.outputs(u)
        scale = found.abs().amax().clamp(min=1.0)
        if not bool(((pairs - found).abs() <= 1e-3 * scale).all()):
            msg = (
                "The values of the function of the target for a cell depend on other cells, or differ between calls. "
                "Put the network in evaluation mode, `.eval()`, and draw no random numbers."
            )
            raise ValueError(msg)
