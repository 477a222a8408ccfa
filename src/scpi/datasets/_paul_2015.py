"""Blood progenitors of Paul et al. 2015."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._docs import fill
from scpi.datasets._examples import load_example
from scpi.datasets._read_h5ad import open_h5ad

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

_CLUSTERS = "paul15_clusters"


@fill
def paul_2015(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the blood progenitors of the mouse of Paul et al., Cell 163 (2015).

    Cells of the bone marrow on their way from common progenitors to red cells, platelets and the cells of the innate
    immune system (MARS-seq). They are those of ``scanpy.datasets.paul15``, in the file of the R package Simba4Bioc
    (Artistic-2.0), 3.3 MB. It is downloaded once, converted and cached in ``scpi.settings.datasetdir``.

    %(example_Parameters)s

    Returns
    -------
    2,730 cells x 3,451 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        10 lineages, with 9 to 1,095 cells.
    `adata.obs['paul15_clusters']` : :class:`pandas.Series` (dtype `category`)
        The 19 published clusters, such as `1Ery` and `7MEP`.
    `adata.uns['iroot']` : :class:`int`
        Number of a cell at the root of the trajectories.

    %(download_Raises)s
    """
    return load_example("paul_2015", _read, base_url=base_url, progress=progress)


def _read(path: Path) -> AnnData:
    from anndata import AnnData

    with open_h5ad(path) as stored:
        original = stored.to_memory()
    obs = original.obs[[_CLUSTERS]].copy()
    obs["cell_type"] = pd.Categorical(obs[_CLUSTERS].astype(str).str.lstrip("0123456789"))
    return AnnData(
        sparse.csr_matrix(original.X, dtype=np.float32),
        obs=obs,
        var=pd.DataFrame(index=original.var_names),
        uns={"iroot": original.uns["iroot"]},
    )
