"""Kang et al. 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi.datasets._public_screens import harmonise_label, load_screen

if TYPE_CHECKING:
    from anndata import AnnData


def _label(label: str) -> str:
    return "IFNB" if label == "stim" else harmonise_label(label)


@fill
def kang_2018(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the interferon-stimulated blood cells of Kang et al., Nat. Biotechnol. 36 (2018).

    Peripheral blood cells of 8 patients with lupus, after 6 hours with or without interferon beta (GSE96583). The file
    is that of pertpy, hosted by scverse, which states no licence, 38 MB. It is downloaded once and cached in
    ``scpi.settings.datasetdir``.

    %(download_Parameters)s

    Returns
    -------
    About 24,700 cells x 15,706 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` and `IFNB`. Cells without a label are removed.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        8 cell types: the contexts of predictions. Cells without a type are removed.
    `adata.obs['perturbation_original']`
        The labels of the file, `ctrl` and `stim`. Its other columns are kept, among them `replicate`, the donor.

    %(download_Raises)s
    """
    return load_screen(
        "kang_2018",
        base_url=base_url,
        progress=progress,
        harmonise=_label,
        label="label",
        names={"cell_type": "cell_type"},
    )
