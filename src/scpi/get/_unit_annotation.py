from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData


@fill
def unit_annotation(
    data: AnnData | MuData, *, key: str = Key.uns.UNIT_ANNOTATION, mod: str | None = None
) -> pd.DataFrame:
    """List the gene set that annotates each latent unit.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` written by :func:`scpi.tl.annotate_units`.
    %(mod)s

    Returns
    -------
    One row per unit, with the columns `unit`, `name`, `set` (empty if no set is significant), `zscore`, `pval_adj`,
    `margin` and `genes`; and `raised` and `lowered`, the best set of either direction, significant or not, each with its
    z-score and adjusted p-value. If units were compared with labels of cells, also `follows`, the `auroc` of that label,
    and for each column of `obs` its `information` in bits.

    Raises
    ------
    %(result_KeyError)s

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(300, 200, 2, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> scpi.tl.gene_set_impact(adata, key="loadings")
    >>> scpi.tl.annotate_units(adata)
    >>> frame = scpi.get.unit_annotation(adata)
    >>> bool((frame["unit"] == frame["set"]).all())
    True
    """
    stored = read_result(resolve_modality(data, mod), key, tool="annotate_units", part="names")
    return pd.DataFrame(
        {
            "unit": [str(name) for name in stored["units"]],
            "name": [str(name) for name in stored["names"]],
            "set": [str(name) for name in stored["sets"]],
            **{name: stored[name] for name in ("zscore", "pval_adj", "margin")},
            "genes": [str(genes) for genes in stored["genes"]],
            **_sides(stored),
            **_labels(stored),
        }
    )


def _sides(stored: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side in ("raised", "lowered"):
        found[side] = [str(name) for name in stored[side]]
        found |= {f"{side}_{name}": np.asarray(stored[f"{side}_{name}"]) for name in ("zscore", "pval_adj")}
    return found


def _labels(stored: Mapping[str, Any]) -> dict[str, Any]:
    if "labels" not in stored:
        return {}
    return {
        "follows": [str(label) for label in stored["follows"]],
        "auroc": np.asarray(stored["follows_auroc"]),
        **{f"information_{name}": np.asarray(stored["information"])[:, i] for i, name in enumerate(stored["obs_keys"])},
    }
