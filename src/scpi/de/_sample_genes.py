"""Selection of the genes to test in samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._matrix import sums
from scpi.de._design import DesignError
from scpi.de._filter_by_expr import filter_by_expr

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from scpi.de._design import Design


def genes_to_test(counts: Any, design: Design | pd.DataFrame, *, filtered: bool) -> NDArray[np.intp]:
    """Genes with counts, or with enough of them.

    Parameters
    ----------
    counts
        Samples x genes.
    design
        Model matrix.
    filtered
        Whether :func:`filter_by_expr` decides.

    Returns
    -------
    Their numbers.

    Raises
    ------
    DesignError
        If they are fewer than two, or a sample has no counts in them.
    """
    kept = sums(counts, axis=0) > 0
    if filtered:
        kept &= filter_by_expr(counts, design)
    genes = np.flatnonzero(kept)
    if len(genes) < 2:
        rule = "enough counts to be tested: see `scpi.de.filter_by_expr`" if filtered else "any counts"
        msg = f"{len(genes)} of {len(kept)} genes have {rule}."
        raise DesignError(msg)
    empty = int((sums(counts[:, genes], axis=1) == 0).sum())
    if empty:
        msg = f"{empty} sample(s) have no counts in the {len(genes)} genes that are tested: leave them out."
        raise DesignError(msg)
    return genes
