"""The prediction of no change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray


@fill
class NoChange(Baseline):
    """Predict unchanged control cells.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.zeros(len(control))
