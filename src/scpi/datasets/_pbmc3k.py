"""Blood cells of 10x Genomics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi.datasets._examples import load_example
from scpi.datasets._r_data import read_counts, read_r, table

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

_SCALE = 1e4
"""Total to which Seurat normalises the counts of a cell."""
_CLUSTERS = ("RNA_snn_res.0.5", "seurat_clusters")
_UMAP = ["UMAP_1", "UMAP_2"]


@fill
def pbmc3k(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the blood cells of 10x Genomics that are known as PBMC 3k, with the cell types of Seurat's tutorial.

    The files are those of an earlier version of the R package clustifyr (MIT), 3.1 MB; 10x Genomics published the
    measurements under CC BY 4.0. They contain normalised expression, from which the counts are recovered exactly. They
    are downloaded once, converted and cached in ``scpi.settings.datasetdir``.

    %(example_Parameters)s

    Returns
    -------
    2,638 cells x 13,714 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        9 cell types, with 14 to 697 cells.
    `adata.obsm['X_umap']` : :class:`numpy.ndarray` (dtype `float32`)
        The published UMAP.

    The other columns of the file are kept in ``adata.obs``.

    %(example_Raises)s
    """
    return load_example("pbmc3k", _read, base_url=base_url, progress=progress)


def _read(matrix: Path, cells: Path) -> AnnData:
    from anndata import AnnData

    described = read_r(cells)
    described = described.astype(dict.fromkeys(_CLUSTERS, int)).rename(columns={"classified": "cell_type"})
    obs = table(described.drop(columns=["orig.ident", *_UMAP]), described.index)
    obs.insert(0, "barcode", pd.Categorical(obs.index))
    normalised = read_r(matrix)
    totals = np.repeat(obs["nCount_RNA"].to_numpy(), np.diff(normalised.p))
    normalised.x = np.rint(np.expm1(normalised.x) * totals / _SCALE)
    counts, genes = read_counts(normalised)
    umap = described[_UMAP].to_numpy(dtype=np.float32)
    return AnnData(counts, obs=obs, var=pd.DataFrame(index=genes), obsm={"X_umap": umap})
