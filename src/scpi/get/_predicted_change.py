from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._changes import WHERE, among, read_changes
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._changes import Changes


@fill
def predicted_change(
    data: AnnData | MuData,
    *,
    genes: str | Sequence[str] | None = None,
    perturbation: str | Sequence[str] | None = None,
    context: str | Sequence[str] | None = None,
    key: str = Key.varm.PREDICTED_CHANGE,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the predicted changes of the mean expression, with the measured ones.

    Parameters
    ----------
    %(data)s
    genes
        Gene or genes to return; all if `None`.
    perturbation
        Perturbation or perturbations to return, in the spelling of the model; all if `None`.
    context
        Context or contexts to return; all if `None`.
    key
        Entry of `adata.varm` and `adata.uns` written by :func:`scpi.tl.predict_perturbation`.
    %(mod)s

    Returns
    -------
    One row per condition and gene, in stored order, with the columns `gene`, `perturbation`, `context` and `dose` (if
    registered), `status`, `confidence` (with an interval), `extrapolated` (with doses), `n_cells`, `predicted`, `lower`
    and `upper` (with an interval), `measured`, `measured_se` and `n_measured`. The last three are NaN, NaN and 0 if no
    cell was measured.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If there is no such gene, perturbation or context.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=40)
    >>> sc.pp.normalize_total(adata)
    >>> sc.pp.log1p(adata)
    >>> scpi.model.MeanDelta.setup_anndata(adata)
    >>> model = scpi.model.MeanDelta(adata)
    >>> model.train()
    >>> scpi.tl.predict_perturbation(adata, model, model.perturbations_)
    >>> scpi.get.predicted_change(adata, genes=adata.var_names[0])[["predicted", "n_measured"]].shape
    (3, 2)
    """
    adata = resolve_modality(data, mod)
    changes = read_changes(adata, key)
    chosen = among(adata.var_names.astype(str).tolist(), genes, "gene")
    rows = adata.var_names.astype(str).get_indexer(pd.Index(chosen))
    keep = np.ones(len(changes.conditions), dtype=bool)
    for column, wanted in ((Key.obs.PERTURBATION, perturbation), (Key.obs.CONTEXT, context)):
        there = list(dict.fromkeys(changes.conditions.get(column, ())))
        names = among(there, wanted, column)
        if wanted is not None:
            keep &= changes.conditions[column].isin(names).to_numpy()
    kept = np.flatnonzero(keep)
    measured, standard_error, n_measured = _beside(changes)
    table = changes.conditions.iloc[np.repeat(kept, len(rows))].reset_index(drop=True)
    table.insert(0, "gene", np.tile(np.array(chosen, dtype=object), len(kept)))
    at = np.ix_(rows, kept)
    table["predicted"] = changes.predicted[at].T.ravel()
    if changes.interval is not None:
        table["lower"], table["upper"] = (end[at].T.ravel() for end in changes.interval)
    table["measured"] = measured[at].T.ravel()
    table["measured_se"] = standard_error[at].T.ravel()
    table["n_measured"] = np.repeat(n_measured[kept], len(rows))
    return table


def _beside(changes: Changes) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Find the measured changes, standard errors and numbers of cells of the predicted conditions."""
    columns = [name for name in WHERE if name in changes.conditions]
    place = {row: i for i, row in enumerate(changes.measured_conditions[columns].itertuples(index=False, name=None))}
    found = [place.get(row, -1) for row in changes.conditions[columns].itertuples(index=False, name=None)]
    # An additional column for conditions that were not measured
    missing = np.full((len(changes.predicted), 1), np.nan)
    n_cells = np.append(changes.measured_conditions["n_cells"].to_numpy(dtype=np.int64), 0)
    return (
        np.hstack([changes.measured, missing])[:, found],
        np.hstack([changes.standard_error, missing])[:, found],
        n_cells[found],
    )
