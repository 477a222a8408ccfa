from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._changes import read_hits
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData


@fill
def predicted_hits(
    data: AnnData | MuData,
    *,
    pval_cutoff: float | None = None,
    key: str = Key.uns.PREDICTED_HITS,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the genes that predicted perturbations change, with the smallest p-values first.

    Parameters
    ----------
    %(data)s
    pval_cutoff
        Largest q-value of a gene to list; all genes if `None`.
    key
        Entry of `adata.varm` and `adata.uns` written by :func:`scpi.tl.predicted_hits`.
    %(mod)s

    Returns
    -------
    One row per condition and gene, with the columns `gene`, `perturbation`, `context` and `dose` (if registered),
    `status`, `confidence`, `predicted` (the change), `pval` and `qval`. Conditions are in stored order, and genes are
    sorted by p-value.

    Raises
    ------
    %(result_KeyError)s

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=4, n_cells=40)
    >>> sc.pp.normalize_total(adata)
    >>> sc.pp.log1p(adata)
    >>> scpi.model.MeanDelta.setup_anndata(adata)
    >>> model = scpi.model.MeanDelta(adata)
    >>> model.train()
    >>> model.calibrate("perturbations")
    >>> scpi.tl.predict_perturbation(adata, model, model.perturbations_[:2])
    >>> scpi.tl.predicted_hits(adata, model)
    >>> scpi.get.predicted_hits(adata).shape[0] == 2 * adata.n_vars
    True
    """
    adata = resolve_modality(data, mod)
    found = read_hits(adata, key)
    n_genes, n_conditions = found.p_values.shape
    table = found.conditions.iloc[np.repeat(np.arange(n_conditions), n_genes)].reset_index(drop=True)
    table = table.drop(columns=["n_cells", "n_left_out", "n_hits", "extrapolated"], errors="ignore")
    table.insert(0, "gene", np.tile(adata.var_names.astype(str).to_numpy(dtype=object), n_conditions))
    for column, values in (("predicted", found.predicted), ("pval", found.p_values), ("qval", found.q_values)):
        table[column] = values.T.ravel()
    condition = np.repeat(np.arange(n_conditions), n_genes)
    table = table.iloc[np.lexsort((-np.abs(table["predicted"]), table["pval"], condition))]
    return table[table["qval"] <= (1.0 if pval_cutoff is None else pval_cutoff)].reset_index(drop=True)
