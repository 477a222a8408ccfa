"""Gene sets that a predicted change, or a part of it, affects more than other genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi.de import false_discovery_control
from scpi.tl._impact._null import matched_null, set_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi.tl._gene_set_impact import SetsOfGenes


def impact_of_sets(scores: NDArray[np.float64], columns: Sequence[str], sets: SetsOfGenes) -> pd.DataFrame:
    """Compute the impact of each set on each column of scores, genes x columns, as in :func:`scpi.tl.gene_set_impact`.

    One row per column and set, the smallest p-value of a column first. The sets of a column are one family.
    """
    impact, null = set_means(scores, sets.membership), matched_null(scores, sets.membership, sets.bins)
    pval, zscore = null.pval(impact), null.zscore(impact)
    rows = []
    for place, name in enumerate(columns):
        order = np.lexsort((-np.abs(zscore[place]), pval[place]))
        table = {"of": name, "set": sets.names, "n_genes": sets.sizes, "impact": impact[place], "zscore": zscore[place]}
        table |= {"pval": pval[place], "qval": false_discovery_control(pval[place])}
        rows.append(pd.DataFrame(table).iloc[order])
    return pd.concat(rows, ignore_index=True)
