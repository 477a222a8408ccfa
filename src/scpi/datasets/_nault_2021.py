"""Nault et al. 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._keys import Key
from scpi.datasets._public_screens import load_screen

if TYPE_CHECKING:
    from anndata import AnnData


def nault_2021(*, base_url: str | None = None, progressbar: bool = False) -> AnnData:
    """Load the livers with doses of dioxin of Nault et al., Toxicol. Sci. 191 (2023; deposited 2021).

    Nuclei of livers of mice that were given 2,3,7,8-tetrachlorodibenzo-p-dioxin (TCDD) in 8 doses, every 4 days for 28
    days (GSE184506). The file is that of scPerturBench (CC BY 4.0): six types of cells of the liver of the file that came
    with scVIDR, without immune cells, 0.2 GB packed. It is downloaded once and kept in ``scpi.settings.datasetdir``,
    where every loading takes another 2.6 GB for the time that it lasts.

    Parameters
    ----------
    base_url
        Another home of the file, such as a mirror.
    progressbar
        Whether to show the progress of the download.

    Returns
    -------
    About 103,700 nuclei x 5,000 highly variable genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts. ``adata.obs['total_counts']`` are those of all genes.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` and `TCDD`. Cells without a label are left out.
    `adata.obs['dose']` : :class:`pandas.Series` (dtype `float64`)
        µg of TCDD per kg of the animal: 0.01, 0.03, 0.1, 0.3, 1, 3, 10 or 30, and 0 in the control.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        6 types of cells, the contexts to predict across.
    `adata.obs['perturbation_original']`
        The labels of the file. Its other columns are kept.

    Raises
    ------
    ConnectionError
        If the file cannot be downloaded.
    ValueError
        If the file is damaged or not the published one.
    """
    return load_screen(
        "nault_2021",
        base_url=base_url,
        progressbar=progressbar,
        names={"cell_type": "celltype"},
        amounts={Key.obs.DOSE: "dose"},
        layer="counts",
    )
