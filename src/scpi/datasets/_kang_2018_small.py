"""Excerpt of Kang et al. 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scpi._docs import fill
from scpi.datasets._examples import label_perturbations, load_example
from scpi.datasets._labels import CONTROL
from scpi.datasets._r_data import read_r, single_cell_experiment

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

PERTURBATIONS = {"ctrl": CONTROL, "stim": "IFNB"}
_APPENDED_ID = r"_ENSG\d+$"


@fill
def kang_2018_small(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load an excerpt of the interferon-stimulated blood cells of Kang et al., Nat. Biotechnol. 36 (2018).

    Peripheral blood cells of two of the eight patients, after 6 hours with or without interferon beta (GSE96583), and
    the genes that most of the cell types express. The file is that of the R package muscat (GPL-3), 1 MB. It is
    downloaded once, converted and cached in ``scpi.settings.datasetdir``. :func:`scpi.datasets.kang_2018` loads all
    cells and genes.

    %(example_Parameters)s

    Returns
    -------
    1,556 cells x 1,267 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` and `IFNB`.
    `adata.obs['condition']` : :class:`pandas.Series` (dtype `category`)
        The same as named in the file, `ctrl` and `stim`.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        5 cell types, with 15 to 100 cells per sample.
    `adata.obs['donor']`, `adata.obs['sample_id']` : :class:`pandas.Series` (dtype `category`)
        The patient, `101` or `107`, and the patient with the condition.

    %(example_Raises)s
    """
    adata = load_example("kang_2018_small", _read, base_url=base_url, progress=progress)
    adata.var_names = adata.var_names.str.replace(_APPENDED_ID, "", regex=True)
    adata.var_names_make_unique()
    label_perturbations(adata, PERTURBATIONS)
    return adata


def _read(path: Path) -> AnnData:
    from anndata import AnnData

    counts, genes, cells = single_cell_experiment(read_r(path))
    samples, barcodes = cells["sample_id"].astype(str), cells.index.astype(str)
    obs = pd.DataFrame(
        {
            "cell_type": cells["cluster_id"].array,
            "sample_id": cells["sample_id"].array,
            "condition": cells["group_id"].array,
            "barcode": pd.Categorical(barcodes),
            "donor": pd.Categorical(samples.str.removeprefix("ctrl").str.removeprefix("stim")),
        },
        index=(samples + "_" + barcodes).to_numpy(),
    )
    return AnnData(counts, obs=obs, var=pd.DataFrame(index=genes))
