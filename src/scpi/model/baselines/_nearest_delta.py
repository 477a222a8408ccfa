"""The change of the most similar context."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._contexts import nearest_weights


@fill
class NearestDelta(Baseline):
    """Adds the change of the training context whose controls are most like those of the context to predict.

    Contexts are compared by the Euclidean distance of the mean expression of their controls. Where no training context
    has the perturbations of a label, the change is the sum of those of its members, or, without cells of a member
    alone, the mean over all conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup needs a ``context_key``.
    %(registry)s
    """

    _weigh = staticmethod(nearest_weights)
