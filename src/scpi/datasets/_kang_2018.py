"""Kang et al. 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.datasets._public_screens import harmonise_label, load_screen

if TYPE_CHECKING:
    from anndata import AnnData


def _label(label: str) -> str:
    return "IFNB" if label == "stim" else harmonise_label(label)


def kang_2018(*, base_url: str | None = None, progressbar: bool = False) -> AnnData:
    """Load the blood cells with interferon of Kang et al., Nat. Biotechnol. 36 (2018).

    Peripheral blood cells of 8 patients with lupus, 6 hours with interferon beta or without (GSE96583). The file is that
    of pertpy, kept by scverse, which states no licence, 38 MB; it is downloaded once and kept in
    ``scpi.settings.datasetdir``.

    Parameters
    ----------
    base_url
        Another home of the file, such as a mirror.
    progressbar
        Whether to show the progress of the download.

    Returns
    -------
    About 24,700 cells x 15,706 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` and `IFNB`. Cells without a label are left out.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        8 types of cells, the contexts to predict across. Those without a type are left out.
    `adata.obs['perturbation_original']`
        The labels of the file, `ctrl` and `stim`. Its other columns are kept, among them `replicate`, the donor.

    Raises
    ------
    ConnectionError
        If the file cannot be downloaded.
    ValueError
        If the file is damaged or not the published one.
    """
    return load_screen(
        "kang_2018",
        base_url=base_url,
        progressbar=progressbar,
        harmonise=_label,
        label="label",
        names={"cell_type": "cell_type"},
    )
