"""Changes of contexts, weighted by similarity."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._contexts import chosen_kernel_weights


@fill
class WeightedDelta(Baseline):
    r"""Adds the changes of the training contexts, weighted by how similar their controls are.

    The weight of a context is :math:`\exp(-d^2 / h)`, where :math:`d` is the Euclidean distance between the mean
    expression of its controls and that of the context to predict. The bandwidth :math:`h` is the one of 11, from 10 to
    0.03 times the median of the squared distances between training contexts, with which these predict each other with
    the least squared error; with fewer than three of them all weights are equal. Where no training context has the
    perturbations of a label, the change is the sum of those of its members, or, without cells of a member alone, the
    mean over all conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup needs a ``context_key``.
    %(registry)s
    """

    _weigh = staticmethod(chosen_kernel_weights)
