from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi import metrics
from scpi._screen._matrix import as_dense
from scpi._slots import layer_name, listed, read_layer
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

METRICS = ("rmse", "mae", "pearson", "spearman", "cosine")
"""The five metrics of OP3, of one condition."""


def score_conditions(
    real: AnnData,
    predictions: Mapping[str, AnnData],
    *,
    layer: str | None = None,
    significant: str | None = None,
    k: int = 100,
) -> pd.DataFrame:
    """Score predictions of conditions, with the metrics and the conventions of Open Problems (OP3).

    Parameters
    ----------
    real
        Measured conditions x genes.
    predictions
        Predicted conditions, from :meth:`scpi.model.ConditionModel.predict`, by name of the model. Conditions and genes
        are matched by name; further ones are ignored.
    layer
        Entry of ``real.layers`` with the values; ``real.X`` if ``None``.
    significant
        Entry of ``real.layers`` that marks significant genes, such as ``"is_de_adj"``, for two more metrics.
    k
        Number of top genes for ``top_k_overlap``.

    Returns
    -------
    One row per model and condition: ``model``, ``condition``, and, over the genes, ``rmse``, ``mae``, ``pearson``,
    ``spearman``, ``cosine`` (0 if a correlation is undefined, as for a prediction of no change) and ``top_k_overlap``
    (of the largest absolute values). With ``significant`` also ``sign_agreement`` (fraction of the significant genes
    with the correct direction) and ``pr_auc``; both are NaN for conditions without significant genes. Means over the
    rows of a model are the scores of OP3. :func:`scpi.benchmark.summarise` gives their intervals, with
    ``pair_by="condition"`` and the metrics by name.

    Raises
    ------
    KeyError
        If a layer does not exist.
    ValueError
        If a prediction lacks a condition or a gene, names are repeated, or a measured value is missing.

    Warns
    -----
    UserWarning
        If a prediction has missing values, which count as 0.
    """
    truth = as_dense(read_layer(real, layer)).astype(np.float64)
    if not np.isfinite(truth).all():
        msg = f"`{layer_name(layer)}` of the measured conditions holds NaN or infinite values: leave those genes out."
        raise ValueError(msg)
    chosen = None if significant is None else as_dense(read_layer(real, significant)).astype(bool)
    tables = []
    for name, predicted in predictions.items():
        values = _in_order(predicted, real, name)
        table = pd.DataFrame(row_scores(truth, values, significant=chosen, k=k))
        table.insert(0, "condition", real.obs_names.astype(str))
        table.insert(0, "model", name)
        tables.append(table)
    if not tables:
        msg = "`predictions` is empty: give at least one, by the name of its model."
        raise ValueError(msg)
    return pd.concat(tables, ignore_index=True)


def row_scores(
    real: Floats, predicted: Floats, *, significant: NDArray[np.bool_] | None = None, k: int = 100
) -> dict[str, Floats]:
    """Metrics of every row of two matrices of conditions x genes; undefined correlations are 0."""
    found: dict[str, Any] = {
        "rmse": metrics.rmse(real, predicted),
        "mae": metrics.mae(real, predicted),
        "pearson": np.nan_to_num(metrics.pearson_delta(real, predicted)),
        "spearman": np.nan_to_num(metrics.spearman_delta(real, predicted)),
        "cosine": np.nan_to_num(metrics.cosine(real, predicted)),
        "top_k_overlap": metrics.top_k_overlap(real, predicted, k=k),
    }
    if significant is not None:
        found["sign_agreement"] = metrics.sign_accuracy(np.where(significant, real, 0.0), predicted)
        found["pr_auc"] = metrics.pr_auc(real, predicted, significant)
    return found


def _in_order(predicted: AnnData, real: AnnData, name: str) -> Floats:
    """Predicted values of the measured conditions and genes."""
    places = []
    for what, given, wanted in (
        ("conditions", predicted.obs_names, real.obs_names),
        ("genes", predicted.var_names, real.var_names),
    ):
        if not given.is_unique:
            msg = f"The names of the {what} of the prediction {name!r} are repeated."
            raise ValueError(msg)
        place = given.get_indexer(wanted)
        if (place < 0).any():
            msg = f"The prediction {name!r} lacks {int((place < 0).sum())} {what}: {listed(wanted[place < 0], 5)}."
            raise ValueError(msg)
        places.append(place)
    values = as_dense(read_layer(predicted, None)).astype(np.float64)[np.ix_(*places)]
    missing = np.isnan(values)
    if missing.any():
        warn_user(f"The prediction {name!r} has {int(missing.sum())} missing values, which count as 0.")
    return np.nan_to_num(values, nan=0.0)
