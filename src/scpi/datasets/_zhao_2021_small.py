"""Excerpt of Zhao et al. 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi.datasets._examples import label_perturbations, load_example
from scpi.datasets._labels import CONTROL
from scpi.datasets._r_data import read_r, single_cell_experiment, table

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

_PERTURBATIONS = {"ctrl": CONTROL, "panobinostat": "panobinostat"}
_IDS = ["gene_id", "symbol"]


@fill
def zhao_2021_small(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load an excerpt of the drug-treated glioblastoma slices of Zhao et al., Genome Med. 13 (2021).

    Slices of the tumours of five patients, with 0.2 µM of panobinostat, an inhibitor of histone deacetylases, or with
    the vehicle (GSE148842): 500 cells of each, and 300 genes. The file is that of the R package lemur (MIT), 2.7 MB. It
    is downloaded once, converted and cached in ``scpi.settings.datasetdir``.

    %(example_Parameters)s

    Returns
    -------
    5,000 cells x 300 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` and `panobinostat`.
    `adata.obs['condition']` : :class:`pandas.Series` (dtype `category`)
        The same as named in the file, `ctrl` and `panobinostat`.
    `adata.obs['patient_id']`, `adata.obs['sample_id']` : :class:`pandas.Series` (dtype `category`)
        The patient, and the patient with the slice: each patient has a slice of both conditions.

    The other columns of the file are kept: `age`, `gender` and `location` of the tumour in ``adata.obs``, and ids,
    chromosome and length of the genes in ``adata.var``.

    %(example_Raises)s
    """
    adata = load_example("zhao_2021_small", _read, base_url=base_url, progress=progress)
    label_perturbations(adata, _PERTURBATIONS)
    return adata


def _read(path: Path) -> AnnData:
    from anndata import AnnData
    from anndata.utils import make_index_unique

    experiment = read_r(path)
    counts, ids, obs = single_cell_experiment(experiment)
    columns = experiment.rowRanges.elementMetadata.listData
    var = table(columns, columns["symbol"]).astype(dict.fromkeys(_IDS, object))
    var["ensembl_id"] = ids.astype(object)
    obs["treatment_id"] = obs["treatment_id"].astype(int)
    var.index = make_index_unique(var.index)
    return AnnData(counts, obs=obs, var=var)
