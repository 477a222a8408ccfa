"""Genes that a prediction is not scored on, because the perturbation itself sets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import NDArray


def find_targets(genes: pd.Index, members: Iterable[str], *, exclude_targets: bool) -> NDArray[np.intp]:
    """Places of the genes that have the name of a member of a condition; none unless they are to be left out."""
    return np.flatnonzero(genes.isin(list(members) if exclude_targets else []))
