from __future__ import annotations

import torch

from scpi.attribution._checks import check_positive
from scpi.attribution._methods._method import Batch, Completeness, Method, Values


def _attribute(batch: Batch, n_samples: int = 32) -> Values:
    check_positive(n_samples=n_samples)
    space, pool = batch.space, batch.baseline
    u, starts = space.enter(batch.x), space.enter(pool)
    drawn = batch.rng.random((len(u), n_samples, 2))
    which = torch.from_numpy((drawn[..., 0] * len(pool)).astype(int)).to(u.device)
    values = torch.zeros((len(batch.outputs), *batch.x.shape), dtype=u.dtype, device=u.device)
    for j in range(n_samples):
        # Stratified sampling, one point in each n-th part of the line, lowers the variance of the mean
        place = torch.from_numpy((j + drawn[:, j, 1:]) / n_samples).to(u)
        start = starts[which[:, j]]
        slopes = space.slopes(start + place * (u - start), batch.outputs)[1]
        change = (batch.x - pool[which[:, j]]) / n_samples
        for of_output, of_slopes in zip(values, slopes, strict=True):
            of_output.addcmul_(space.leave(of_slopes), change)
    difference = space.values(u, batch.outputs) - space.values(starts, batch.outputs).mean(1, keepdim=True)
    return Values(values, Completeness(difference, values.sum(-1) - difference))


METHOD = Method(
    name="expected_gradients",
    attribute=_attribute,
    means="Mean of integrated gradients over cells as baselines, from one random point on the line to each.",
    source="Erion et al., Nat. Mach. Intell. 3, 2021",
    baseline="cells",
    complete=True,
)
