"""The sum of the single effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Additive(Baseline):
    """Adds the changes under the single perturbations of a combination to control cells.

    The change under a perturbation is the mean of its training cells minus that of the control cells, on the scale of
    the registered expression. Where doses are registered it is proportional to the dose, by least squares.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    """

    def _change(self, design: NDArray[np.float32]) -> NDArray[np.float32]:
        changes = self.module.changes.cpu().numpy()
        unseen = [
            name
            for name, dose, change in zip(self.perturbations_, design, changes, strict=True)
            if dose != 0 and np.isnan(change).any()
        ]
        if unseen:
            msg = f"No training cell has {unseen} alone: the additive baseline has no effect to add."
            raise ValueError(msg)
        used = design != 0
        return (design[used, None] * changes[used]).sum(0)
