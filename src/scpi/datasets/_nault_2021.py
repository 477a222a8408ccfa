"""Nault et al. 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi.datasets._public_screens import load_screen

if TYPE_CHECKING:
    from anndata import AnnData


@fill
def nault_2021(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the dioxin dose response in liver of Nault et al., Toxicol. Sci. 191 (2023; deposited 2021).

    Nuclei of livers of mice that received 2,3,7,8-tetrachlorodibenzo-p-dioxin (TCDD) at 8 doses, every 4 days for 28
    days (GSE184506). The file is that of scPerturBench (CC BY 4.0), 0.2 GB compressed: six liver cell types of the file
    published with scVIDR, without immune cells. It is downloaded once and cached in ``scpi.settings.datasetdir``; each
    call temporarily needs another 2.6 GB there.

    %(download_Parameters)s

    Returns
    -------
    About 103,700 nuclei x 5,000 highly variable genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts. ``adata.obs['total_counts']`` are sums over all genes.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` and `TCDD`. Cells without a label are removed.
    `adata.obs['dose']` : :class:`pandas.Series` (dtype `float64`)
        µg of TCDD per kg of body weight: 0.01, 0.03, 0.1, 0.3, 1, 3, 10 or 30, and 0 in the control.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        6 cell types: the contexts of predictions.
    `adata.obs['perturbation_original']`
        The labels of the file. Its other columns are kept.

    %(download_Raises)s
    """
    return load_screen(
        "nault_2021",
        base_url=base_url,
        progress=progress,
        names={"cell_type": "celltype"},
        amounts={Key.obs.DOSE: "dose"},
        layer="counts",
    )
