from __future__ import annotations

from scpi.attribution._methods._method import Batch, Method, Slopes


def _attribute(batch: Batch) -> Slopes:
    space = batch.space
    return Slopes(space, space.slopes(space.enter(batch.x), batch.outputs)[1])


METHOD = Method(
    name="gradient",
    attribute=_attribute,
    means="Derivative of the output with respect to the gene.",
    source="Simonyan et al., ICLR Workshop 2014",
)
