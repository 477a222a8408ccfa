"""Hagai et al. 2018."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi.datasets._public_screens import harmonise_label, load_screen

if TYPE_CHECKING:
    from anndata import AnnData


@fill
def hagai_2018(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the LPS-stimulated phagocytes of four species of Hagai et al., Nature 563 (2018).

    Bone-marrow phagocytes of mice, rats, rabbits and pigs, without stimulation and after 2, 4 and 6 hours with
    lipopolysaccharide (LPS). The file is that of scPerturBench (CC BY 4.0), 0.36 GB compressed. It is downloaded once
    and cached in ``scpi.settings.datasetdir``; each call temporarily needs another 3.6 GB there. It contains more time
    points and other genes than the file of scGen, which has only log-normalised values of 6,619 genes.

    %(download_Parameters)s

    Returns
    -------
    About 112,900 cells x 5,000 highly variable genes that all species share, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts. ``adata.obs['total_counts']`` are sums over all genes that all species share.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control`, `LPS2`, `LPS4` and `LPS6`. Cells without a label are removed.
    `adata.obs['time']` : :class:`pandas.Series` (dtype `float64`)
        Hours with LPS, 0 in the control. There is one dose.
    `adata.obs['species']` : :class:`pandas.Series` (dtype `category`)
        `mouse`, `pig`, `rabbit` and `rat`: the contexts of predictions.
    `adata.obs['species_original']`
        The animal, such as `mouse1`.
    `adata.obs['perturbation_original']`
        The labels of the file. Its other columns are kept.

    %(download_Raises)s
    """
    return load_screen(
        "hagai_2018",
        base_url=base_url,
        progress=progress,
        harmonise=partial(harmonise_label, clean=str.upper),
        names={"species": "condition1"},
        amounts={"time": "condition3"},
        layer="counts",
    )
