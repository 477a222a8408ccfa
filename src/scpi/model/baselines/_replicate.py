"""Measured cells in place of predicted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._predict import Counterfactual


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

    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        cells = self.train_indices if asked.adata is self.adata else np.arange(asked.adata.n_obs)
        doses, codes = self._conditions(asked.adata)
        measured = cells[(doses[codes[cells]] == asked.design).all(1)]
        contexts = self._context_codes(asked.adata)
        drawn = np.empty_like(asked.cells)
        for code in np.unique(contexts[asked.cells]):
            places = np.flatnonzero(contexts[asked.cells] == code)
            pool = measured[contexts[measured] == code]
            if not len(pool):
                msg = "No measured cell has this condition in this context: there is no replicate to draw from."
                raise ValueError(msg)
            # Every cell as often as any other, but for what is left over
            repeats, rest = divmod(len(places), len(pool))
            drawn[places] = np.concatenate([np.tile(pool, repeats), asked.rng.permutation(pool)[:rest]])
        return self._expression(asked.adata, drawn)
