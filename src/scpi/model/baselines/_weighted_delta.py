"""Changes of contexts, weighted by similarity."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._contexts import chosen_kernel_weights


@fill
class WeightedDelta(Baseline):
    r"""Add the changes of the training contexts, weighted by the similarity of their controls.

    The weight of a context is :math:`\exp(-d^2 / h)`, where :math:`d` is the Euclidean distance between the mean
    expression of its controls and of the controls of the context to predict. The bandwidth :math:`h` is one of 11
    values, from 10 to 0.03 times the median squared distance between training contexts: the one with which these
    predict each other with the smallest squared error. With fewer than three contexts, all weights are equal. If no
    training context has the perturbations of a label, the change is the sum of the changes of its members. If a member
    was not measured alone, it is the mean change over all conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup takes a ``context_key``. Without it, all cells are of one context if there is a ``dose_key``;
        otherwise the change is the mean over all conditions. Between measured doses, changes are interpolated
        linearly in log1p of the dose.
    %(registry)s
    """

    _weigh = staticmethod(chosen_kernel_weights)
