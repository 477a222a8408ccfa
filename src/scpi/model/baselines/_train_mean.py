"""The same cell for every perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


class TrainMean(Baseline):
    """Predicts, for every cell and perturbation, the mean over the training conditions of their mean expression.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    """

    def _predict_cells(
        self,
        adata: AnnData | MuData,
        indices: NDArray[np.int64],
        design: NDArray[np.float32],
        *,
        sample: bool,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        profile = (self.module.control_mean + self.module.mean_change).cpu().numpy()
        return np.tile(profile, (len(indices), 1))
