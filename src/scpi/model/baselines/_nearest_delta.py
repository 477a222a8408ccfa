"""The change of the most similar context."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._contexts import nearest_weights


@fill
class NearestDelta(Baseline):
    """Add the change of the training context with the most similar controls.

    Contexts are compared by the Euclidean distance between the mean expression of their controls. If no training
    context has the perturbations of a label, the change is the sum of the changes of its members. If a member was not
    measured alone, it is the mean change over all conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup takes a ``context_key``. Without it, all cells are of one context if there is a ``dose_key``;
        otherwise the change is the mean over all conditions. Between measured doses, changes are interpolated
        linearly in log1p of the dose.
    %(registry)s
    """

    _weigh = staticmethod(nearest_weights)
