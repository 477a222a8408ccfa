from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_activity

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@fill
def pathway_activity(
    data: AnnData | MuData, *, key: str = Key.obsm.PATHWAY_ACTIVITY, mod: str | None = None
) -> pd.DataFrame:
    """Return the activity of the gene sets with the names of cells and sets.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.obsm` with the activity, as written by :func:`scpi.tl.pathway_activity`.
    %(mod)s

    Returns
    -------
    The activity, cells x sets.

    Raises
    ------
    KeyError
        If the data has no activity under this key.
    """
    adata = resolve_modality(data, mod)
    values, names = read_activity(adata, key)
    return pd.DataFrame(values, index=adata.obs_names.copy(), columns=names)
