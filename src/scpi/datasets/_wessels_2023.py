"""Wessels et al. 2023."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi.datasets._public_screens import load_screen

if TYPE_CHECKING:
    from anndata import AnnData


@fill
def wessels_2023(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the CaRPool-seq screen of gene pairs of Wessels et al., Nat. Methods 20 (2023).

    28 regulators of myeloid differentiation were knocked down (Cas13) in THP-1 cells alone and in 158 pairs. The file
    is that of scPerturb, 0.2 GB. It is downloaded once and cached in ``scpi.settings.datasetdir``.

    %(download_Parameters)s

    Returns
    -------
    About 30,700 cells x 21,052 features, with the fields (several hundred features are barcodes of guides rather than
    genes):

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control`, genes, and pairs in alphabetical order. Cells without a label are removed.
    `adata.obs['perturbation_original']`
        The labels of the file. Its other columns are kept.

    %(download_Raises)s
    """
    return load_screen("wessels_2023", base_url=base_url, progress=progress)
