"""Several rankings of genes in one object, and the scores of a group in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._ranking import is_ranking, read_ranking, rows_of_groups

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi._ranking import Ranking


def read_rankings(
    adata: AnnData, keys: Sequence[str] | Mapping[str, str] | str | None, *, at_least: int
) -> dict[str, Ranking]:
    """Read rankings by name: the given ones, or all."""
    if keys is None:
        keys = [name for name in adata.uns if is_ranking(adata.uns[name])]
        if len(keys) < at_least:
            msg = f"`adata.uns` has {len(keys)} ranking(s) of genes to compare. Call `scpi.de.rank_genes`."
            raise KeyError(msg)
    if isinstance(keys, str) and at_least == 1:
        keys = [keys]
    named = dict(keys) if isinstance(keys, Mapping) else {str(key): key for key in keys}
    if len(named) < at_least or isinstance(keys, str):
        number = {1: "one key", 2: "two keys"}[at_least]
        msg = f"Give at least {number} of rankings, not {keys!r}."
        raise ValueError(msg)
    return {name: read_ranking(adata, key) for name, key in named.items()}


def scores_of_group(ranking: Ranking, group: str, absolute: bool | None) -> pd.Series:
    """Return the scores of the genes in one group; larger is better if `absolute` is not given."""
    (row,) = rows_of_groups(ranking, group)
    scores = np.asarray(ranking.scores[row], dtype=np.float64)
    if absolute is None and ranking.params.get("rankby_abs", False):
        scores = np.abs(scores)
    return pd.Series(scores, index=pd.Index(ranking.genes, dtype=object))
