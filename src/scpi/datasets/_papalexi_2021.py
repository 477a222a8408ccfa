"""Papalexi et al. 2021."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi.datasets._public_screens import harmonise_label, load_screen, without_guide

if TYPE_CHECKING:
    from anndata import AnnData


@fill
def papalexi_2021(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the ECCITE-seq screen of Papalexi et al., Nat. Genet. 53 (2021).

    25 regulators of immune checkpoints were knocked out (CRISPR) in stimulated THP-1 cells, with several guides each.
    The file is that of scPerturb (the RNA of the pooled screen), 0.15 GB. It is downloaded once and cached in
    ``scpi.settings.datasetdir``.

    %(download_Parameters)s

    Returns
    -------
    About 20,700 cells x 18,649 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` and genes: the guides of a gene are merged. Cells without a label are removed.
    `adata.obs['perturbation_original']`
        The labels of the file, one per guide, such as `STAT1g2`. Its other columns are kept.

    %(download_Raises)s
    """
    return load_screen(
        "papalexi_2021",
        base_url=base_url,
        progress=progress,
        harmonise=partial(harmonise_label, clean=without_guide),
    )
