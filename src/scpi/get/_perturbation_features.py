from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scpi._docs import fill
from scpi._features import find_features
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@fill
def perturbation_features(
    data: AnnData | MuData, *, key: str = Key.uns.PERTURBATION_FEATURES, mod: str | None = None
) -> pd.DataFrame:
    """List which sources cover each perturbation.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` written by :func:`scpi.tl.perturbation_features`.
    %(mod)s

    Returns
    -------
    One row per single perturbation: `perturbation`, for each source whether it has features, and `n_sources`, the
    number of sources that do. Perturbations without features can only be predicted by a mean.

    Raises
    ------
    %(result_KeyError)s
    """
    adata = resolve_modality(data, mod)
    read_result(adata, key, tool=Key.uns.PERTURBATION_FEATURES, part="sources")
    table = find_features(adata, key)
    assert table is not None
    covered = table.covered()
    found = pd.DataFrame({"perturbation": table.names} | covered).astype({"perturbation": object})
    return found.assign(n_sources=sum(values.astype(int) for values in covered.values()))
