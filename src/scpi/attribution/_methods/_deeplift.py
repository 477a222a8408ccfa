from __future__ import annotations

from scpi.attribution._methods._method import Batch, Method, Slopes, completeness
from scpi.attribution._secant import paired_slopes


def _attribute(batch: Batch) -> Slopes:
    space = batch.space
    u = space.enter(batch.x)
    start = space.enter(batch.baseline).expand_as(u)
    slopes = paired_slopes(space.outputs, u, start, batch.outputs)
    return Slopes(space, slopes, batch.x - batch.baseline, completeness(batch, slopes, u, start))


METHOD = Method(
    name="deeplift",
    attribute=_attribute,
    means="Chained secant slopes of all nonlinear operations from the baseline to the cell, times the difference.",
    source="Shrikumar et al., ICML 2017 (rescale rule)",
    baseline="mean",
    complete=True,
)
