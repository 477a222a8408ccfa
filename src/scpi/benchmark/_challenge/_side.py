"""Measured or predicted cells of a challenge, as counts by perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._layer_of_counts import layer_of_counts
from scpi._screen._checks import check_counts
from scpi._screen._labels import quoted, text_labels
from scpi._slots import layer_name, read_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Side:
    """Counts (CSR, float64) of cells in the order of their conditions, the code of the condition of each, and the names of conditions."""

    counts: Any
    codes: NDArray[np.int64]
    names: list[str]
    genes: pd.Index

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """Summed counts, conditions x genes."""
        shape = (len(self.names), len(self.codes))
        members = sparse.csr_array((np.ones(len(self.codes)), (self.codes, np.arange(len(self.codes)))), shape=shape)
        return np.asarray((members @ self.counts).todense())

    def cells(self, code: int) -> Any:
        """Counts of the cells of a condition."""
        return self.counts[slice(*np.searchsorted(self.codes, [code, code + 1]))]


def read_side(
    adata: AnnData, what: str, *, perturbation_key: str, control: str, layer: str | None, names: Sequence[str] | None
) -> Side:
    """Counts of the control, which comes first, and of the perturbations ``names``, or of all in the order of their names.

    A `KeyError` names a missing column, and a `ValueError` says if the matrix does not hold counts, or which perturbations are missing.
    """
    if perturbation_key not in adata.obs:
        msg = f"`{what}.obs` has no column {perturbation_key!r}, only {quoted([str(one) for one in adata.obs])}."
        raise KeyError(msg)
    if not adata.var_names.is_unique:
        msg = f"`{what}.var_names` are not unique: call `{what}.var_names_make_unique()`."
        raise ValueError(msg)
    labels = text_labels(adata.obs[perturbation_key])
    there = [str(name) for name in labels.categories]
    wanted = sorted(set(there) - {control}) if names is None else list(names)
    missing = [name for name in wanted if name not in there]
    if missing:
        msg = f"`{what}` lacks {len(missing)} of the {len(wanted)} perturbations that are compared: {quoted(missing)}."
        raise ValueError(msg)
    wanted = [control, *wanted]
    place = {name: code for code, name in enumerate(wanted)}
    codes = np.array([place.get(name, -1) for name in there] + [-1], dtype=np.int64)[labels.codes]
    used = np.argsort(codes, kind="stable")[(codes < 0).sum() :]
    layer = layer_of_counts(adata, layer)
    counts = check_counts(read_layer(adata, layer), name=f"{what}: {layer_name(layer)}")
    found = sparse.csr_matrix(counts, dtype=np.float64)[used]
    found.sum_duplicates()
    found.eliminate_zeros()
    return Side(found, codes[used], wanted, adata.var_names)
