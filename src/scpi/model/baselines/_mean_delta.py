"""The mean change."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline


@fill
class MeanDelta(Baseline):
    """Add a mean change to control cells.

    With a ``context_key``, it is the mean over training contexts of their change under the same perturbations at the
    same dose. With a ``dose_key`` alone, it is the change of all cells, as of one context. Changes between measured doses
    are interpolated linearly in log1p of the dose, from 0 at dose 0, and are constant above the largest. For a
    combination that no training context has, it is the sum over its members, if all were measured alone. Otherwise, and
    with neither key, it is the mean change of all training conditions, irrespective of the perturbation.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """
