from __future__ import annotations

from scpi.attribution._methods._method import Batch, Method, Slopes
from scpi.attribution._rectified import rectified_slopes


def _attribute(batch: Batch) -> Slopes:
    space = batch.space
    return Slopes(space, rectified_slopes(space.outputs, space.enter(batch.x), batch.outputs))


METHOD = Method(
    name="guided",
    attribute=_attribute,
    means="Derivative in which no activation passes on a negative gradient; not that of the function itself.",
    source="Springenberg et al., ICLR Workshop 2015",
    signed=False,
)
