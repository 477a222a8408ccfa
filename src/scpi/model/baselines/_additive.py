"""The sum of the single effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Additive(Baseline):
    """Adds the changes under the single perturbations of a combination to control cells.

    The change under a perturbation is the mean of its training cells minus that of the control cells of their context,
    on the scale of the registered expression. Where doses are registered it is proportional to the dose, by least
    squares.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        profiles = self.module.profiles()
        total, unseen = np.zeros(len(control)), []
        for member in np.flatnonzero(design):
            alone = np.zeros_like(design)
            alone[member] = 1.0
            pairs = profiles.of_same_members(alone)
            if not len(pairs):
                unseen.append(self.perturbations_[member])
                continue
            doses = profiles.design[pairs, member]
            weights = profiles.n_cells[pairs] * doses
            total += design[member] * (weights @ profiles.changes_of(pairs)) / (weights @ doses)
        if unseen:
            msg = f"No training cell has {unseen} alone: the additive baseline has no effect to add."
            raise ValueError(msg)
        return total
