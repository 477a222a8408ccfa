from __future__ import annotations

from scpi.attribution._methods._method import Batch, Method, Slopes


def _attribute(batch: Batch) -> Slopes:
    space = batch.space
    _, slopes = space.slopes(space.enter(batch.x), batch.outputs)
    return Slopes(space, slopes, change=batch.x - batch.baseline)


METHOD = Method(
    name="input_x_gradient",
    attribute=_attribute,
    means="Derivative times the difference of the gene from the baseline.",
    source="Shrikumar et al., arXiv:1605.01713, 2016",
    baseline="zero",
)
