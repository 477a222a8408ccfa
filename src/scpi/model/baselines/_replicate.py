"""Measured cells in place of predicted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


class Replicate(Baseline):
    """Draws measured cells of the condition and context to predict: the ceiling of any prediction.

    What it is scored against must be other cells of the same condition, such as the other half, so that it says how well
    one measurement predicts another. Of the training data it draws training cells, of other data any.

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
        cells = self.train_indices if adata is self.adata else np.arange(adata.n_obs)
        doses, codes = self._conditions(adata)
        measured = cells[(doses[codes[cells]] == design).all(1)]
        contexts = self._context_codes(adata)
        drawn = np.empty_like(indices)
        for code in np.unique(contexts[indices]):
            places = np.flatnonzero(contexts[indices] == code)
            pool = measured[contexts[measured] == code]
            if not len(pool):
                msg = "No measured cell has this condition in this context: there is no replicate to draw from."
                raise ValueError(msg)
            # Every cell as often as any other, but for what is left over
            repeats, rest = divmod(len(places), len(pool))
            drawn[places] = np.concatenate([np.tile(pool, repeats), rng.permutation(pool)[:rest]])
        return self._expression(adata, drawn)
