"""Explanations of predictions in an AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._slots import read_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

_LABELS = (Key.obs.PERTURBATION, Key.obs.STATUS, "gene", "kind", "part", "of", "set", "name")


class Explained(NamedTuple):
    """Explanations as :func:`scpi.tl.explain_prediction` stored them."""

    genes: list[str]
    """Names of the genes."""
    tables: dict[str, pd.DataFrame]
    """Tables by name, with their labels as strings."""
    values: NDArray[np.float64]
    """What parts add to each gene, genes x rows of the table of columns."""
    params: Mapping[str, Any]
    """How they were made."""

    @property
    def perturbations(self) -> list[str]:
        """Perturbations that were explained."""
        return self.tables["conditions"][Key.obs.PERTURBATION].tolist()

    def contributions(self) -> pd.DataFrame:
        """What parts add to each gene, one row for each part and gene."""
        columns, n_genes = self.tables["columns"], len(self.genes)
        table = columns.loc[np.repeat(columns.index, n_genes)].reset_index(drop=True)
        table["gene"] = np.tile(np.array(self.genes, dtype=object), len(columns))
        return table.assign(contribution=self.values.T.ravel())


def read_explained(adata: AnnData, key: str) -> Explained:
    """Read explanations of predictions."""
    stored = read_result(adata, key, tool="explain_prediction", part="parts")
    tables = {
        str(name): table.assign(
            **{label: table[label].astype(str).astype(object) for label in _LABELS if label in table}
        )
        for name, table in stored.items()
        if isinstance(table, pd.DataFrame)
    }
    return Explained(
        adata.var_names.astype(str).tolist(),
        {name: table.reset_index(drop=True) for name, table in tables.items()},
        np.asarray(adata.varm[key], dtype=np.float64),
        stored.get("params", {}),
    )
