"""A small classifier network of groups of cells, for attributions without a model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from scpi._screen._matrix import dense_rows
from scpi._screen._stored_rows import StoredRows, read_ahead, shuffled_nearby
from scpi.attribution import AttributionTarget
from scpi.model.base import InputTransform, seeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_N_HIDDEN, _DROPOUT, _BATCH = 64, 0.5, 256
_LEARNING_RATE, _WEIGHT_DECAY = 1e-3, 1e-2
_N_EPOCHS, _FEWEST_STEPS = 20, 400
# Number of batches that are read at once if cells are not in memory
_TOGETHER = 64


def train_classifier(counts: Any, codes: NDArray[np.intp], names: Sequence[str], *, seed: int) -> AttributionTarget:
    """Train a network with one hidden layer on counts that are scaled to the median depth, logged and standardised.

    Counts are cells x genes, dense, CSR, or rows that are read on demand. Cells with a negative code are left out. The
    outputs of the target are the logits of the groups.
    """
    cells = np.flatnonzero(codes >= 0)
    n_batches = -(-len(cells) // _BATCH)
    scale = InputTransform(counts.shape[1], "log")
    in_order = partial(read_ahead, counts, np.array_split(cells, n_batches))
    scale.fit(lambda: ((_dense(counts, chosen), None) for chosen in in_order()))
    with seeded(seed):
        first, last = nn.Linear(counts.shape[1], _N_HIDDEN), nn.Linear(_N_HIDDEN, len(names))
        network = nn.Sequential(nn.Dropout(_DROPOUT), first, nn.ReLU(), last)
        optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        # All groups have the same weight, whatever their number of cells
        sizes = np.bincount(codes[cells], minlength=len(names))
        weight = torch.from_numpy(len(cells) / len(names) / sizes).float()
        for _ in range(max(_N_EPOCHS, -(-_FEWEST_STEPS // n_batches))):
            for chosen in _batches(counts, cells, n_batches):
                logits = network(scale(_dense(counts, chosen)))
                loss = nn.functional.cross_entropy(logits, torch.from_numpy(codes[chosen]), weight=weight)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    network.eval().requires_grad_(False)

    def head(hidden: Tensor) -> Tensor:
        found: Tensor = last(torch.relu(hidden + first.bias))
        return found

    projection = first.weight.T
    return AttributionTarget(
        lambda x: head(x @ projection), scale, list(names), kind="logit", projection=projection, head=head
    )


def _batches(counts: Any, cells: NDArray[np.intp], n_batches: int) -> Iterator[NDArray[np.intp]]:
    """Yield the batches of an epoch, drawn from all cells, or from some runs of consecutive cells if not in memory."""
    if not isinstance(counts, StoredRows):
        yield from np.array_split(cells[torch.randperm(len(cells)).numpy()], n_batches)
        return
    rng = np.random.default_rng(int(torch.randint(2**31, ())))
    ends = np.cumsum([len(batch) for batch in np.array_split(cells, n_batches)])
    order = shuffled_nearby(cells, rng, run=counts.run, ends=ends[_TOGETHER - 1 :: _TOGETHER])
    parts = np.split(order, ends[:-1])
    for start in range(0, len(parts), _TOGETHER):
        together = parts[start : start + _TOGETHER]
        yield from read_ahead(counts, together, sum(map(len, together)))


def _dense(counts: Any, rows: NDArray[np.intp]) -> Tensor:
    return torch.from_numpy(dense_rows(counts, rows))
