from __future__ import annotations

import numpy as np
import torch

from scpi.attribution._checks import check_positive
from scpi.attribution._methods._method import Batch, Method, Slopes, completeness


def _attribute(batch: Batch, n_steps: int = 32) -> Slopes:
    check_positive(n_steps=n_steps)
    space = batch.space
    u, start = space.enter(batch.x), space.enter(batch.baseline)
    # Gauss-Legendre nodes, mapped to [0, 1]: exact for polynomials of degree below twice the number of steps
    places, weights = np.polynomial.legendre.leggauss(n_steps)
    slopes = torch.zeros((len(batch.outputs), *u.shape), dtype=u.dtype, device=u.device)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        slopes += float(weight) * space.slopes(start + float(place) * (u - start), batch.outputs)[1]
    return Slopes(space, slopes, batch.x - batch.baseline, completeness(batch, slopes, u, start))


METHOD = Method(
    name="integrated_gradients",
    attribute=_attribute,
    means="Mean derivative on the straight line from the baseline, times the difference from it.",
    source="Sundararajan et al., ICML 2017",
    baseline="mean",
    complete=True,
)
