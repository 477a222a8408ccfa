from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.spatial.distance import squareform

from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed, read_result

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@fill
def perturbation_similarity(
    data: AnnData | MuData,
    *,
    output: Literal["pairs", "matrix", "perturbations"] = "pairs",
    perturbation: str | None = None,
    key: str = Key.uns.PERTURBATION_SIMILARITY,
    mod: str | None = None,
) -> pd.DataFrame:
    """List which perturbations act alike.

    Parameters
    ----------
    %(data)s
    output
        `"pairs"` of perturbations with an effect, the square `"matrix"` of their similarities, or all
        `"perturbations"` with the strength of their effects.
    perturbation
        Perturbation whose pairs are returned; all pairs if `None`. Only for `"pairs"`.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.perturbation_similarity`.
    %(mod)s

    Returns
    -------
    One row per pair, smallest p-value first, with `perturbation`, `other`, `similarity`, `similarity_low`,
    `similarity_high`, `pval` and `pval_adj`. Or a table of perturbations x perturbations, in which those without an
    effect are NaN. Or one row per perturbation, the strongest first, with `perturbation`, `n_cells`, `strength`,
    `pval`, `pval_adj` and `has_effect`.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If `output` is unknown, or `perturbation` is unknown, has no effect, or is given together with another output.
    """
    stored = read_result(resolve_modality(data, mod), key, tool=Key.uns.PERTURBATION_SIMILARITY, part="pairs")
    results, pairs = stored["results"], stored["pairs"]
    has_effect = results["has_effect"].to_numpy(dtype=bool)
    names = results["perturbation"].astype(str).to_numpy(dtype=object)
    if output not in ("pairs", "matrix", "perturbations"):
        msg = f"`output` must be 'pairs', 'matrix' or 'perturbations', but is {output!r}."
        raise ValueError(msg)
    if perturbation is not None and output != "pairs":
        msg = f"`perturbation` chooses pairs, but `output` is {output!r}."
        raise ValueError(msg)
    if output == "perturbations":
        return results.sort_values("strength", ascending=False, kind="stable").reset_index(drop=True)
    if output == "matrix":
        matrix = np.full((len(names), len(names)), np.nan)
        matrix[np.ix_(has_effect, has_effect)] = squareform(pairs["similarity"]) + np.eye(has_effect.sum())
        return pd.DataFrame(matrix, index=names, columns=names)
    compared = names[has_effect]
    first, second = np.triu_indices(len(compared), 1)
    # Files do not keep the order of the entries
    columns = ["similarity", "similarity_low", "similarity_high", "pval", "pval_adj"]
    table = pd.DataFrame(
        {"perturbation": compared[first], "other": compared[second]} | {column: pairs[column] for column in columns}
    )
    if perturbation is not None:
        among(names.tolist(), [perturbation], "perturbation")
        if perturbation not in compared:
            msg = f"The effect of {perturbation!r} does not exceed noise, so that it has no pairs. Compared were {listed(compared)}."
            raise ValueError(msg)
        table = table[(table["perturbation"] == perturbation) | (table["other"] == perturbation)]
        other = table["perturbation"].where(table["other"] == perturbation, table["other"])
        table = table.assign(perturbation=perturbation, other=other)
    return table.sort_values("pval", kind="stable").reset_index(drop=True)
