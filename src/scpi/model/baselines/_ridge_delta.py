"""Changes regressed on controls."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.base.effects._regression import chosen_ridge_weights
from scpi.model.baselines._baseline import Baseline


@fill
class RidgeDelta(Baseline):
    """Add a change that a ridge regression predicts from the mean expression of the controls.

    The change of each gene is a linear function of the mean expression of all genes in the controls of a context, with
    an intercept. Of 13 penalties, the one with the smallest leave-one-context-out squared error is used. With fewer
    than three training contexts, the mean change is used. If no training context has the perturbations of a label, the
    change is the sum of the changes of its members. If a member was not measured alone, it is the mean change over all
    conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup takes a ``context_key``. Without it, all cells are of one context if there is a ``dose_key``;
        otherwise the change is the mean over all conditions. Between measured doses, changes are interpolated
        linearly in log1p of the dose.
    %(registry)s
    """

    _weigh = staticmethod(chosen_ridge_weights)
