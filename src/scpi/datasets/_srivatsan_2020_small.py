"""Excerpt of Srivatsan et al. 2020."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi.datasets._examples import label_perturbations, load_example
from scpi.datasets._labels import CONTROL
from scpi.datasets._r_data import read_counts, read_r, table

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

_DRUG = "Dex"
_PERTURBATIONS = {CONTROL: CONTROL, _DRUG: "dexamethasone"}


@fill
def srivatsan_2020_small(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load an excerpt of the drug screen of Srivatsan et al., Science 367 (2020), known as sci-Plex.

    Cells of the lung cancer line A549 with dexamethasone at seven doses, or with the vehicle (GSE139944), and 198
    genes. The effects are weak. The files are those of the R package monocle3 (MIT), 0.06 MB. They are downloaded once,
    converted and cached in ``scpi.settings.datasetdir``. :func:`scpi.datasets.srivatsan_2020` loads the screen of 188
    drugs.

    %(example_Parameters)s

    Returns
    -------
    500 cells x 198 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` (the vehicle) and `dexamethasone`.
    `adata.obs['dose']` : :class:`pandas.Series` (dtype `float64`)
        0.1, 0.5, 1, 5, 10, 50 or 100 in the units of the file, and 0 in the control: 42 to 85 cells each.
    `adata.obs['cell_type']`, `adata.obs['replicate']` : :class:`pandas.Series` (dtype `category`)
        The cell line, and the well.

    The other columns of the file are kept, among them `n.umi`, the total count of all genes.

    %(example_Raises)s
    """
    adata = load_example("srivatsan_2020_small", _read, base_url=base_url, progress=progress)
    label_perturbations(adata, _PERTURBATIONS)
    return adata


def _read(matrix: Path, genes: Path, cells: Path) -> AnnData:
    from anndata import AnnData
    from anndata.utils import make_index_unique

    counts, ids = read_counts(read_r(matrix))
    described = read_r(cells)
    obs = table(described.rename(columns={"cell": "barcode"}), described.index)
    obs["vehicle"] = obs["vehicle"].astype(int)
    obs["condition"] = pd.Categorical(np.where(obs["vehicle"] == 1, CONTROL, _DRUG))
    columns = read_r(genes)
    var = table(columns, columns["gene_short_name"]).astype({"id": object, "gene_short_name": object})
    var["ensembl_id"] = ids.astype(object)
    var.index = make_index_unique(var.index)
    return AnnData(counts, obs=obs, var=var)
