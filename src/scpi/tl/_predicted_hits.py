from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._changes import read_changes
from scpi._conformal._hits import hit_p_values
from scpi._conformal._left_out import size_of
from scpi._docs import fill
from scpi._keys import Key
from scpi._slots import result_params
from scpi._view import View
from scpi.de import false_discovery_control
from scpi.model.base import ScreenModel

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scpi.model.base.calibration._intervals import Alike


@fill
def predicted_hits(
    data: AnnData | MuData,
    model: ScreenModel,
    *,
    pval_cutoff: float = 0.05,
    key: str = Key.varm.PREDICTED_CHANGE,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Find the genes that predicted perturbations change, with q-values.

    The score of a gene is its predicted change, divided by the typical error of the gene in held-out conditions,
    without which the model was refitted (`calibrate` of the model). The null hypothesis is that the gene does not
    change. The measured change then has the sign of the prediction as often as the opposite sign. Genes that moved
    against their prediction in the held-out conditions therefore give the null distribution. The p-value of a gene is
    the rank of its score among theirs (a conformal p-value), which needs neither cells nor their variance. The q-values
    of a condition follow Benjamini and Hochberg.

    The p-values are valid for a condition that is as hard to predict as the held-out ones. If these are few, it may not
    be.

    Parameters
    ----------
    %(data)s
    model
        Model that predicted the changes, calibrated for conditions of the same kind.
    pval_cutoff
        Largest q-value of a hit, to count the hits.
    key
        Entry of `adata.varm` and `adata.uns` with predicted changes, as written by :func:`predict_perturbation`.
    %(written_key_added)s

    `adata.varm['predicted_hits' | key_added]` : :class:`numpy.ndarray` (dtype `float64`)
        q-values, genes x conditions.
    `adata.varm['predicted_hits_pvals' | key_added + '_pvals']` : :class:`numpy.ndarray` (dtype `float64`)
        p-values, genes x conditions.
    `adata.varm['predicted_hits_change' | key_added + '_change']` : :class:`numpy.ndarray` (dtype `float64`)
        The predicted changes, genes x conditions.
    `adata.uns['predicted_hits' | key_added]` : :class:`dict`
        `params`, and two tables:

        - `conditions`: that of `key`, with `status` and `confidence` (as in `predict` of the model), `n_hits` and
          `n_left_out`, the number of held-out perturbations, combinations or contexts.
        - `left_out`: one row per held-out condition, with `perturbation`, `context`, `over`, `confidence`, and the root
          mean squared error of the prediction (`error`), of the mean change (`error_of_mean`) and of no change
          (`size`).

    Raises
    ------
    KeyError
        If the data has no predicted changes.
    TypeError
        If the model predicts no perturbations.
    ValueError
        If the model is not calibrated for a condition, a dose was not measured, or the changes are not of its genes.

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
    >>> adata.varm["predicted_hits"].shape == (adata.n_vars, 2)
    True
    """
    key_added = Key.uns.PREDICTED_HITS if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    if not isinstance(model, ScreenModel):
        msg = f"{type(model).__name__} predicts no perturbations: give the model that predicted the changes."
        raise TypeError(msg)
    model._check_if_trained(warn=False)
    changes = read_changes(view.adata, key)
    if view.adata.var_names.astype(str).tolist() != model.var_names_:
        msg = f"The changes {key!r} are of other genes than those of the model: predict them with it."
        raise ValueError(msg)
    table, p_values = changes.conditions.copy(), np.ones(changes.predicted.shape)
    status = np.empty(len(table), dtype=object)
    contexts = table[Key.obs.CONTEXT].tolist() if Key.obs.CONTEXT in table else [None] * len(table)
    doses = table[Key.obs.DOSE].tolist() if Key.obs.DOSE in table else [None] * len(table)
    asked = zip(table[Key.obs.PERTURBATION], contexts, doses, strict=True)
    kinds = pd.Series([model._kind_of(*condition) for condition in asked])
    confidence, n_left_out, rows = np.zeros(len(table)), np.zeros(len(table), dtype=np.int64), []
    for kind in dict.fromkeys(kinds):
        alike, columns = model._alike(kind), np.flatnonzero([one == kind for one in kinds])
        predicted = changes.predicted[:, columns].T
        p_values[:, columns] = hit_p_values(alike.left_out, predicted).T
        confidence[columns], n_left_out[columns] = alike.left_out.confidence(predicted), alike.left_out.n_groups
        own = [table[Key.obs.PERTURBATION].iloc[column] for column in columns]
        status[columns] = model._calibrated_status(kind, own, [contexts[column] for column in columns], predicted)
        rows.append(_describe(alike, kind.over))
    q_values = false_discovery_control(p_values, axis=0)
    table[Key.obs.STATUS] = status
    table[Key.obs.CONFIDENCE] = confidence
    table["n_left_out"] = n_left_out
    table["n_hits"] = (q_values <= pval_cutoff).sum(axis=0)
    result, target = view.output(copy)
    for suffix, values in (("", q_values), (Key.varm.PVALS, p_values), (Key.varm.CHANGE, changes.predicted)):
        target.varm[key_added + suffix] = values
    target.uns[key_added] = {
        "conditions": table,
        "left_out": pd.concat(rows, ignore_index=True),
        "params": result_params(model=type(model).__name__, pval_cutoff=pval_cutoff, key=key),
    }
    return result


def _describe(alike: Alike, over: str) -> pd.DataFrame:
    """Tabulate the confidence and the error of each held-out condition."""
    left_out = alike.left_out
    return pd.DataFrame(
        {
            Key.obs.PERTURBATION: alike.perturbation,
            Key.obs.CONTEXT: alike.context,
            "over": over,
            Key.obs.CONFIDENCE: left_out.confidence(left_out.predicted),
            "error": left_out.errors,
            "error_of_mean": left_out.errors_of_mean,
            "size": size_of(left_out.measured),
        }
    )
