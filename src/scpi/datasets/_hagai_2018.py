"""Hagai et al. 2018."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from scpi.datasets._public_screens import harmonise_label, load_screen

if TYPE_CHECKING:
    from anndata import AnnData


def hagai_2018(*, base_url: str | None = None, progressbar: bool = False) -> AnnData:
    """Load the phagocytes of four species with lipopolysaccharide of Hagai et al., Nature 563 (2018).

    Phagocytes from the bone marrow of mice, rats, rabbits and pigs, 2, 4 and 6 hours with lipopolysaccharide (LPS) or
    without. The file is that of scPerturBench (CC BY 4.0), 0.36 GB packed. It is downloaded once and kept in
    ``scpi.settings.datasetdir``, where every loading takes another 3.6 GB for the time that it lasts. It holds more hours
    and other genes than the file of scGen, whose 6,619 genes have log-normalised values only.

    Parameters
    ----------
    base_url
        Another home of the file, such as a mirror.
    progressbar
        Whether to show the progress of the download.

    Returns
    -------
    About 112,900 cells x 5,000 highly variable genes that the species share, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts. ``adata.obs['total_counts']`` are those of all genes that the species share.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control`, `LPS2`, `LPS4` and `LPS6`. Cells without a label are left out.
    `adata.obs['time']` : :class:`pandas.Series` (dtype `float64`)
        Hours with LPS, and 0 in the control. There is one dose.
    `adata.obs['species']` : :class:`pandas.Series` (dtype `category`)
        `mouse`, `pig`, `rabbit` and `rat`, the contexts to predict across.
    `adata.obs['species_original']`
        The animal, such as `mouse1`.
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
        "hagai_2018",
        base_url=base_url,
        progressbar=progressbar,
        harmonise=partial(harmonise_label, clean=str.upper),
        names={"species": "condition1"},
        amounts={"time": "condition3"},
        layer="counts",
    )
