"""Wessels et al. 2023."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.datasets._public_screens import load_screen

if TYPE_CHECKING:
    from anndata import AnnData


def wessels_2023(*, base_url: str | None = None, progressbar: bool = False) -> AnnData:
    """Load the CaRPool-seq screen of gene pairs of Wessels et al., Nat. Methods 20 (2023).

    28 regulators of myeloid differentiation were knocked down (Cas13) in THP-1 cells alone and in 158 pairs. The file
    is that of scPerturb, 0.2 GB; it is downloaded once and kept in
    ``scpi.settings.datasetdir``.

    Parameters
    ----------
    base_url
        Another home of the file, such as a mirror.
    progressbar
        Whether to show the progress of the download.

    Returns
    -------
    About 30,700 cells x 21,052 features (among them some hundred barcodes of guides, which are no genes), with the
    fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control`, genes, and pairs in alphabetic order. Cells without a label are left out.
    `adata.obs['perturbation_original']`
        The labels of the file. Its other columns are kept.

    Raises
    ------
    ConnectionError
        If the file cannot be downloaded.
    ValueError
        If the file is damaged or not the published one.
    """
    return load_screen("wessels_2023", base_url=base_url, progressbar=progressbar)
