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
    """List how far off the surest predictions were, in conditions that the model was refitted without.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` that :func:`scpi.tl.predicted_hits` wrote.
    %(mod)s

    Returns
    -------
    Risk-coverage curve (:func:`scpi.metrics.risk_coverage`): `coverage`, the fraction of the conditions that are kept, those with the
    largest confidence, and the mean over them of the squared error relative to that of no change, of the prediction (`risk`) and of
    the mean change (`risk_of_mean`). Conditions without a measured change are left out.

    Raises
    ------
    %(result_KeyError)s

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=4, n_cells=40)
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
