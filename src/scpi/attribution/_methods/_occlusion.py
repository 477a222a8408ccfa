from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scpi.attribution._methods._method import Batch, Method, Values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

# Maximum size of a batch of occluded cells
_NUMBERS = 1 << 21


def _attribute(batch: Batch, sets: ArrayLike | None = None) -> Values:
    change = batch.baseline - batch.x
    u = batch.space.enter(batch.x)
    before = batch.space.values(u, batch.outputs)
    if sets is None:
        return Values(_of_genes(batch, u, change, before))
    return Values(_of_sets(batch, u, change, before, _check_sets(sets, change)))


def _of_genes(batch: Batch, u: Tensor, change: Tensor, before: Tensor) -> Tensor:
    """Occlude only the genes that differ from the baseline, which are few for sparse counts and a baseline of zero."""
    values = torch.zeros((len(batch.outputs), *change.shape), dtype=u.dtype, device=u.device)
    cells, genes = change.nonzero(as_tuple=True)
    for part in torch.arange(len(cells), device=u.device).split(max(_NUMBERS // u.shape[1], 1)):
        cell, gene = cells[part], genes[part]
        after = batch.space.values(batch.space.shift(u[cell], gene, change[cell, gene]), batch.outputs)
        values[:, cell, gene] = before[:, cell] - after
    return values


def _of_sets(batch: Batch, u: Tensor, change: Tensor, before: Tensor, sets: Tensor) -> Tensor:
    found = [before - batch.space.values(u + batch.space.enter(change * members), batch.outputs) for members in sets]
    return torch.stack(found, dim=-1)


def _check_sets(sets: ArrayLike, change: Tensor) -> Tensor:
    members = np.asarray(sets)
    if members.ndim != 2 or members.shape[1] != change.shape[1] or not np.isin(members, (0, 1)).all():
        msg = (
            f"`sets` must be zeros and ones, sets x {change.shape[1]} genes, but is of shape {members.shape} and "
            f"{members.dtype}."
        )
        raise ValueError(msg)
    return torch.from_numpy(members.astype(np.float32)).to(change)


METHOD = Method(
    name="occlusion",
    attribute=_attribute,
    means="Output minus that with the gene at the baseline; with `sets`, sets x genes, the same for sets of genes.",
    source="Zeiler & Fergus, ECCV 2014",
    baseline="zero",
)
