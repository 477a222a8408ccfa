"""The same change for every perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MeanDelta(Baseline):
    """Adds the mean change over all training conditions to control cells, whatever the perturbation.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    """

    def _change(self, design: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.module.mean_change.cpu().numpy()
