"""Files of the Open Problems benchmark for perturbation prediction (OP3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._replace import replaced
from scpi._screen._matrix import as_dense
from scpi._slots import listed, read_layer
from scpi.benchmark._score_conditions import METRICS, score_conditions
from scpi.get import signed_logp
from scpi.metrics import scaled
from scpi.model import ConditionModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

CONTEXT, PERTURBATION = "cell_type", "sm_name"
PREDICTION, SIGNED, CLIPPED = "prediction", "sign_log10_pval", "clipped_sign_log10_pval"
CONTROLS = {
    "zeros": "zeros",
    "mean_outcome": "mean",
    # In the benchmark, these names denote the mean of the conditions of the same cell type, or compound
    "mean_across_celltypes": "context_mean",
    "mean_across_compounds": "perturbation_mean",
}
_DIGITS = 10
_SEPARATOR = ", "


def op3_conditions(adata: AnnData, *, key: str = Key.uns.LIMMA, clip: float = 4.0) -> AnnData:
    """Convert tests of compounds within cell types to the format of OP3: its `de_train.h5ad`.

    Parameters
    ----------
    adata
        Samples tested by :func:`scpi.de.limma`, with the compound as ``groupby`` and the cell type as ``split_by``.
    key
        Entry of ``adata.uns`` with the tests.
    clip
        Largest absolute value of ``layers['clipped_sign_log10_pval']``.

    Returns
    -------
    Conditions x genes that were tested in all of them, named ``"<cell type>, <compound>"``. `obs` has `cell_type` and
    `sm_name`; `layers` has `logFC`, `P.Value`, `adj.P.Value`, `is_de`, `is_de_adj`, `sign_log10_pval` and
    `clipped_sign_log10_pval`, which is also `X`.

    Raises
    ------
    KeyError
        If the entry does not exist.
    ValueError
        If the tests were not made within cell types, or no gene was tested in all conditions.
    """
    table = signed_logp(adata, key=key)
    if adata.uns[key]["params"].get("split_by") is None:
        msg = (
            "The tests were not made within cell types: call `scpi.de.limma(adata, compound, split_by=cell_type, ...)`."
        )
        raise ValueError(msg)
    tested = ~np.isnan(table.X).any(axis=0)
    if not tested.any():
        msg = "No gene was tested in all conditions: test the same genes everywhere (`filter_genes=False`)."
        raise ValueError(msg)
    table = table[:, tested].copy()
    obs = pd.DataFrame({CONTEXT: table.obs["split"].astype(str), PERTURBATION: table.obs["label"].astype(str)})
    table.obs = obs.set_index(condition_names(obs))
    table.layers[SIGNED] = table.X.copy()
    table.layers[CLIPPED] = np.clip(table.X, -clip, clip)
    table.X = table.layers[CLIPPED].copy()
    return table


def condition_names(obs: pd.DataFrame) -> pd.Index:
    """Names of conditions in OP3."""
    return pd.Index(obs[CONTEXT].astype(str) + _SEPARATOR + obs[PERTURBATION].astype(str), dtype=object)


def read_op3_prediction(path: str | Path, id_map: pd.DataFrame | str | Path) -> AnnData:
    """Read predictions of conditions in the format of OP3.

    Parameters
    ----------
    path
        File `.h5ad` with the values in ``layers['prediction']`` and the ids of ``id_map`` as names, or a table `.csv`
        with the column `id`.
    id_map
        Table, or `.csv` file, with `id`, `cell_type` and `sm_name`.

    Returns
    -------
    Conditions x genes, named ``"<cell type>, <compound>"``.

    Raises
    ------
    ValueError
        If the file has no predictions, or an id is not in the map.
    """
    table = _read_id_map(id_map)
    if Path(path).suffix == ".csv":
        stored = pd.read_csv(path, index_col="id")
        found = ad.AnnData(
            stored.to_numpy(dtype=np.float64), obs=stored.index.to_frame(), var=stored.columns.to_frame()
        )
    else:
        file = ad.read_h5ad(path)
        if PREDICTION not in file.layers:
            msg = f"{str(path)!r} has no `layers[{PREDICTION!r}]`, only {listed(file.layers)}."
            raise ValueError(msg)
        found = ad.AnnData(as_dense(file.layers[PREDICTION]), obs=file.obs.copy(), var=file.var[[]].copy())
    ids = found.obs_names.astype(str)
    unknown = ids[~ids.isin(table.index)]
    if len(unknown):
        msg = f"{str(path)!r} has {len(unknown)} ids that are not in the id map: {listed(unknown, 5)}."
        raise ValueError(msg)
    found.obs = table.loc[ids].set_index(condition_names(table.loc[ids]))
    return found


def write_op3_prediction(
    predicted: AnnData,
    path: str | Path,
    id_map: pd.DataFrame | str | Path,
    *,
    method_id: str = "scpi",
    dataset_id: str = "neurips-2023-data",
) -> None:
    """Write predictions of conditions in the format of OP3, in the order of its ids.

    Parameters
    ----------
    predicted
        Conditions x genes, with `cell_type` and `sm_name` in `obs`.
    path
        File to write, `.h5ad`, or `.csv` for the table of the competition.
    id_map
        Table, or `.csv` file, with `id`, `cell_type` and `sm_name`.
    method_id, dataset_id
        Names to store with the prediction.

    Raises
    ------
    ValueError
        If a condition of the map was not predicted.
    """
    table = _read_id_map(id_map)
    _check_columns(predicted.obs, "predicted.obs")
    names = condition_names(predicted.obs)
    place = names.get_indexer(condition_names(table))
    if (place < 0).any():
        msg = f"{int((place < 0).sum())} conditions of the id map were not predicted: {listed(condition_names(table)[place < 0], 5)}."
        raise ValueError(msg)
    values = as_dense(read_layer(predicted, None))[place].astype(np.float32)
    index = pd.Index(table.index.astype(str), name="id")
    with replaced(Path(path)) as scratch:
        if Path(path).suffix == ".csv":
            pd.DataFrame(values, index=index, columns=predicted.var_names).to_csv(scratch)
            return
        uns = {"dataset_id": dataset_id, "method_id": method_id}
        stored = ad.AnnData(obs=pd.DataFrame(index=index), var=predicted.var[[]].copy(), uns=uns)
        stored.layers[PREDICTION] = values
        stored.write_h5ad(scratch)


def score_op3(
    de_train: AnnData | str | Path,
    de_test: AnnData | str | Path,
    *,
    predictions: Mapping[str, AnnData | str | Path] | None = None,
    id_map: pd.DataFrame | str | Path | None = None,
    layer: str = CLIPPED,
) -> pd.DataFrame:
    """Score predictions and the control methods of OP3 on its files.

    Parameters
    ----------
    de_train, de_test
        Training and test conditions, as AnnData or files, with `cell_type` and `sm_name` in `obs`.
    predictions
        Predictions by name of the method: AnnData with `cell_type` and `sm_name` in `obs`, or files for
        :func:`scpi.benchmark.read_op3_prediction`. Only control methods if ``None``.
    id_map
        Table, or `.csv` file, with `id`, `cell_type` and `sm_name`, needed for prediction files.
    layer
        Entry of ``layers`` to predict.

    Returns
    -------
    One row per method, with the columns of OP3: ``mean_rowwise_rmse``, ``mean_rowwise_mae``, ``mean_rowwise_pearson``,
    ``mean_rowwise_spearman`` and ``mean_rowwise_cosine`` (rounded to ten digits); each of these with the suffix
    ``_scaled``, scaled between the worst and the best control method; and ``mean_score``, the mean of the scaled
    values. ``ground_truth`` is the best control.

    Raises
    ------
    KeyError
        If the data lack the layer or a column.
    ValueError
        If files of predictions are given without ``id_map``, or a prediction lacks a condition or gene.

    Notes
    -----
    On the published scale, the worst control also includes random draws of the values of each gene (`sample`), which
    are not included here. Scaled values are comparable only within a table.
    """
    train, test = (
        _read_conditions(given, layer, name) for given, name in ((de_train, "de_train"), (de_test, "de_test"))
    )
    genes = test.var_names.intersection(train.var_names, sort=False)
    train, test = train[:, genes].copy(), test[:, genes].copy()
    tables = {name: _read_prediction(given, id_map) for name, given in (predictions or {}).items()}
    plan = test.obs[[CONTEXT, PERTURBATION]]
    ConditionModel.setup_anndata(train, perturbation_key=PERTURBATION, context_key=CONTEXT)
    for name, method in CONTROLS.items():
        model = ConditionModel(train, method=method)
        model.train()
        tables[name] = model.predict(plan)
    tables["ground_truth"] = test
    scores = score_conditions(test, tables).groupby("model", sort=False)[list(METRICS)].mean().round(_DIGITS)
    controls = scores.loc[[*CONTROLS, "ground_truth"]]
    worst = pd.Series({name: controls[name].agg("max" if name in ("rmse", "mae") else "min") for name in METRICS})
    rescaled: Any = scaled(scores.to_numpy(), worst[list(METRICS)].to_numpy(), scores.loc["ground_truth"].to_numpy())
    found = scores.add_prefix("mean_rowwise_")
    found[[f"{name}_scaled" for name in found]] = rescaled
    return found.assign(mean_score=rescaled.mean(axis=1))


def _read_conditions(given: AnnData | str | Path, layer: str, name: str) -> AnnData:
    """Conditions with the layer in X, under the names of OP3."""
    adata = given if isinstance(given, ad.AnnData) else ad.read_h5ad(given)
    _check_columns(adata.obs, f"{name}.obs")
    values = as_dense(read_layer(adata, layer)).astype(np.float64)
    obs = adata.obs[[CONTEXT, PERTURBATION]].astype(str)
    return ad.AnnData(values, obs=obs.set_index(condition_names(obs)), var=adata.var[[]].copy())


def _read_prediction(given: AnnData | str | Path, id_map: pd.DataFrame | str | Path | None) -> AnnData:
    if isinstance(given, ad.AnnData):
        _check_columns(given.obs, "The `obs` of a prediction")
        named = given.copy()
        named.obs_names = condition_names(given.obs)
        return named
    if id_map is None:
        msg = f"The file {str(given)!r} names conditions by ids: give `id_map`."
        raise ValueError(msg)
    return read_op3_prediction(given, id_map)


def _read_id_map(id_map: pd.DataFrame | str | Path) -> pd.DataFrame:
    table = id_map if isinstance(id_map, pd.DataFrame) else pd.read_csv(id_map)
    if "id" in table:
        table = table.set_index("id")
    _check_columns(table, "`id_map`")
    return table[[CONTEXT, PERTURBATION]].astype(str).set_index(table.index.astype(str))


def _check_columns(table: pd.DataFrame, what: str) -> None:
    missing = [name for name in (CONTEXT, PERTURBATION) if name not in table]
    if missing:
        msg = f"{what} must have the columns {CONTEXT!r} and {PERTURBATION!r}, but lacks {listed(missing)}."
        raise KeyError(msg)
