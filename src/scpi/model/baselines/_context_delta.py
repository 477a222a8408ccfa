"""Changes of other contexts, weighted."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ContextDelta(Baseline):
    """Base class of baselines that predict a weighted mean of the changes of the training contexts.

    Where no training context has the perturbations of a label, or no contexts are registered, it is the mean change of
    all conditions.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    """

    @abstractmethod
    def _weights(
        self, controls: NDArray[np.float64], changes: NDArray[np.float64], control: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Weights of training contexts, which sum to 1.

        Parameters
        ----------
        controls, changes
            Mean of the controls of each training context and its change, contexts x genes.
        control
            Mean of the controls of the context to predict.
        """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        profiles = self.module.profiles()
        measured = dict(profiles.by_context(design)) if self.has_contexts else {}
        if not measured:
            return mean_of_conditions(profiles.design, profiles.changes)
        changes = np.stack(list(measured.values()))
        return np.asarray(self._weights(profiles.controls[list(measured)], changes, control) @ changes)


def mean_of_conditions(design: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over conditions of their mean over contexts.

    Parameters
    ----------
    design
        Doses of the single perturbations in each pair of context and condition.
    values
        Values of each pair, pairs x genes.
    """
    _, condition = np.unique(design, axis=0, return_inverse=True)
    condition = condition.reshape(-1)
    weights = 1.0 / np.bincount(condition)[condition]
    return np.asarray(weights @ values / weights.sum())


def squared_distances(controls: NDArray[np.float64], control: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distance of the profile of each context to one profile."""
    return np.asarray(np.square(controls - control).sum(1))
