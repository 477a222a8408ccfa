"""The mean change."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline


@fill
class MeanDelta(Baseline):
    """Adds a mean change to control cells.

    With a ``context_key`` it is the mean, over the training contexts, of their change under the same perturbations at
    the same dose. For a combination that no training context has, it is the sum of those of its members, if all were
    measured alone. Otherwise, and without a ``context_key``, it is the mean change of all training conditions, whatever
    the perturbation.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """
