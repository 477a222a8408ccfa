from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scpi._changes import read_hits
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi.metrics import risk_coverage as curve_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@fill
def risk_coverage(data: AnnData | MuData, *, key: str = Key.uns.PREDICTED_HITS, mod: str | None = None) -> pd.DataFrame:
    """Compute the error of the most confident predictions in held-out conditions (risk-coverage curve).

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` written by :func:`scpi.tl.predicted_hits`.
    %(mod)s

    Returns
    -------
    Risk-coverage curve (:func:`scpi.metrics.risk_coverage`). `coverage` is the fraction of the conditions that are
    kept, those with the largest confidence. `risk` and `risk_of_mean` are the squared errors of the prediction and of
    the mean change, relative to that of no change, averaged over the kept conditions. Conditions without a measured
    change are left out.

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
    >>> scpi.get.risk_coverage(adata)["coverage"].tolist()[-1]
    1.0
    """
    table = read_hits(resolve_modality(data, mod), key).left_out
    table = table[table["size"] > 0]
    model, mean = (
        curve_of(table[Key.obs.CONFIDENCE], (table[name] / table["size"]) ** 2) for name in ("error", "error_of_mean")
    )
    return pd.DataFrame({"coverage": model.coverage, "risk": model.risk, "risk_of_mean": mean.risk})
