"""Changes regressed on controls."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.base.effects._regression import chosen_ridge_weights
from scpi.model.baselines._baseline import Baseline


@fill
class RidgeDelta(Baseline):
    """Adds the change that a ridge regression on the mean expression of the controls predicts.

    Every gene's change is a linear function of all genes' mean expression in the controls of a context, with an
    intercept. The penalty is the one of 13 with the least squared error when each training context is left out. With
    fewer than three training contexts it is the mean change. Where no training context has the perturbations of a
    label, the change is the sum of those of its members, or, without cells of a member alone, the mean over all
    conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup needs a ``context_key``.
    %(registry)s
    """

    _weigh = staticmethod(chosen_ridge_weights)
