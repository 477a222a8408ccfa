"""Norman et al. 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi.datasets._public_screens import load_screen

if TYPE_CHECKING:
    from anndata import AnnData


@fill
def norman_2019(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the screen of gene pairs of Norman et al., Science 365 (2019).

    105 genes of K562 cells were activated (CRISPRa) alone and in 131 pairs. The file is that of scPerturb, 0.7 GB. It
    is downloaded once and cached in ``scpi.settings.datasetdir``.

    %(download_Parameters)s

    Returns
    -------
    About 111,000 cells x 33,694 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control`, genes, and pairs such as `CEBPE+KLF1` in alphabetical order. Cells without a label are removed.
    `adata.obs['perturbation_original']`
        The labels of the file. Its other columns are kept.

    %(download_Raises)s
    """
    return load_screen("norman_2019", base_url=base_url, progress=progress)
