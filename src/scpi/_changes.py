"""Predicted changes in an AnnData, and the measured ones beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._keys import Key
from scpi._slots import listed, read_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

_ENDS = (Key.varm.PREDICTED_CHANGE_LOWER, Key.varm.PREDICTED_CHANGE_UPPER)
WHERE = (Key.obs.PERTURBATION, Key.obs.CONTEXT, Key.obs.DOSE)


class Changes(NamedTuple):
    """Changes as :func:`scpi.tl.predict_perturbation` stored them."""

    conditions: pd.DataFrame
    """One row for each predicted condition."""
    predicted: NDArray[np.float64]
    """Genes x conditions."""
    measured_conditions: pd.DataFrame
    """One row for each measured condition."""
    measured: NDArray[np.float64]
    """Genes x measured conditions."""
    standard_error: NDArray[np.float64]
    """Of the measured changes."""
    params: Mapping[str, Any]
    """How they were made."""
    interval: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    """Lower and upper ends of the interval of the predicted changes, if it was stored."""


def read_changes(adata: AnnData, key: str) -> Changes:
    """Read predicted changes and the measured ones beside them, of which there may be none."""
    stored = read_result(adata, key, tool="predict_perturbation", part="conditions")
    conditions = _as_stored(stored["conditions"])
    measured = stored.get("measured")
    empty = np.zeros((adata.n_vars, 0))
    entries = Key.varm.PREDICTED_CHANGE_MEASURED, Key.varm.PREDICTED_CHANGE_MEASURED_SE
    change, standard_error = (
        empty if measured is None else adata.varm[key + name.removeprefix(Key.varm.PREDICTED_CHANGE)]
        for name in entries
    )
    ends = [key + name.removeprefix(Key.varm.PREDICTED_CHANGE) for name in _ENDS]
    interval = None
    if all(name in adata.varm for name in ends):
        lower, upper = (np.asarray(adata.varm[name], dtype=np.float64) for name in ends)
        interval = lower, upper
    return Changes(
        conditions=conditions,
        predicted=np.asarray(adata.varm[key], dtype=np.float64),
        measured_conditions=conditions.iloc[:0] if measured is None else _as_stored(measured),
        measured=np.asarray(change, dtype=np.float64),
        standard_error=np.asarray(standard_error, dtype=np.float64),
        params=stored.get("params", {}),
        interval=interval,
    )


class PredictedHits(NamedTuple):
    """Hits as :func:`scpi.tl.predicted_hits` stored them."""

    conditions: pd.DataFrame
    """One row for each predicted condition."""
    predicted: NDArray[np.float64]
    """Predicted changes, genes x conditions."""
    p_values: NDArray[np.float64]
    """Of the same shape."""
    q_values: NDArray[np.float64]
    """Of the same shape."""
    left_out: pd.DataFrame
    """One row for each condition that was left out."""


def read_hits(adata: AnnData, key: str) -> PredictedHits:
    """Read predicted hits, with the changes that they are of."""
    stored = read_result(adata, key, tool="predicted_hits", part="left_out")
    changes = (adata.varm[name] for name in (key + Key.varm.CHANGE, key + Key.varm.PVALS, key))
    predicted, p_values, q_values = (np.asarray(values, dtype=np.float64) for values in changes)
    return PredictedHits(
        _as_stored(stored["conditions"]), predicted, p_values, q_values, _as_stored(stored["left_out"])
    )


def _as_stored(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its labels as strings, which files turn into categories."""
    labels = [name for name in (*WHERE[:2], "status") if name in table]
    return table.assign(**{name: table[name].astype(str).astype(object) for name in labels}).reset_index(drop=True)


def among(there: Sequence[str], wanted: str | Sequence[str] | None, what: str) -> list[str]:
    """What was asked for, all if nothing was; a `ValueError` if it is not there."""
    if wanted is None:
        return list(there)
    names = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    unknown = [name for name in names if name not in set(there)]
    if unknown or not names:
        msg = f"There is no {what} {listed(unknown)}, only {listed(there)}."
        raise ValueError(msg)
    return list(dict.fromkeys(names))
