from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from scpi._changes import among
from scpi._docs import fill
from scpi._explained._slot import read_explained
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData

Table = Literal["parts", "genes", "sets", "fidelity", "scores", "conditions", "contributions"]


@fill
def explained_prediction(
    data: AnnData | MuData,
    table: Table = "parts",
    *,
    perturbation: str | Sequence[str] | None = None,
    kind: str | Sequence[str] | None = None,
    key: str = Key.uns.EXPLAINED_PREDICTION,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the explanation of predicted changes.

    Parameters
    ----------
    %(data)s
    table
        Table to return: `"parts"`, `"genes"`, `"sets"`, `"fidelity"`, `"scores"` or `"conditions"`, as described in
        :func:`scpi.tl.explain_prediction`; or `"contributions"` of the largest parts to each gene, with the columns
        `gene`, `kind`, `part` and `contribution`.
    perturbation
        Perturbation or perturbations to return; all if `None`.
    kind
        Kind or kinds of parts to return, such as `"perturbations"`, for tables that have kinds; all if `None`.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.explain_prediction`.
    %(mod)s

    Returns
    -------
    Rows of the table in stored order: parts of a kind by the fraction that they carry, sets by p-value. The table is
    empty if there were no data for it, such as no gene sets or no measured cells.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If there is no such table, perturbation or kind, or the table has no kinds.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from anndata import AnnData
    >>> import scpi
    >>> names = ["control", *(f"{family}{i}" for family in ("KLF", "IRF", "SOX") for i in range(1, 7))]
    >>> effects = np.vstack([np.zeros(40), np.repeat(np.eye(3, 40), 6, axis=0) + 0.1])
    >>> adata = AnnData((1.5 + effects).astype("float32"), obs=pd.DataFrame({"perturbation": names}, index=names))
    >>> scpi.tl.perturbation_features(adata, perturbations=["KLF7"])
    >>> scpi.model.PerturbationGP.setup_anndata(adata)
    >>> model = scpi.model.PerturbationGP(adata)
    >>> model.train(train_size=1.0)
    >>> scpi.tl.explain_prediction(adata, model, "KLF7")
    >>> scpi.get.explained_prediction(adata, "conditions")["status"].tolist()
    ['unseen']
    """
    adata = resolve_modality(data, mod)
    if table not in get_args(Table):
        msg = f"`table` must be one of {listed(get_args(Table))}, but is {table!r}."
        raise ValueError(msg)
    stored = read_explained(adata, key)
    found = stored.contributions() if table == "contributions" else stored.tables.get(table)
    names = among(stored.perturbations, perturbation, "perturbation")
    if found is None:
        return pd.DataFrame({Key.obs.PERTURBATION: pd.Series(dtype=object)})
    found = found[found[Key.obs.PERTURBATION].isin(names)]
    if kind is not None:
        if "kind" not in found:
            msg = f"The table {table!r} has no kinds of parts: leave `kind` out."
            raise ValueError(msg)
        found = found[found["kind"].isin(among(list(dict.fromkeys(found["kind"])), kind, "kind of parts"))]
    return found.reset_index(drop=True)
