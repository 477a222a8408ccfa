"""Excerpt of Kang et al. 2018 with more genes, without cell types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._docs import fill
from scpi.datasets._examples import label_perturbations, load_example
from scpi.datasets._kang_2018_small import PERTURBATIONS
from scpi.datasets._r_data import read_counts, read_r

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

_COLUMNS = ["barcode", "condition"]


@fill
def kang_2018_unlabelled(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load interferon-stimulated blood cells of Kang et al., Nat. Biotechnol. 36 (2018), without their cell types.

    1,000 cells with and 1,000 without interferon beta of the experiment of :func:`scpi.datasets.kang_2018_small`
    (GSE96583), with nearly all expressed genes: for the transfer of labels and models to new cells. The file is that of
    the R package harmony (GPL-3), 2.6 MB. It is downloaded once, converted and cached in
    ``scpi.settings.datasetdir``.

    %(example_Parameters)s

    Returns
    -------
    2,000 cells x 9,015 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` and `IFNB`.
    `adata.obs['condition']` : :class:`pandas.Series` (dtype `category`)
        The same as named in other files, `ctrl` and `stim`.
    `adata.obs['barcode']` : :class:`pandas.Series` (dtype `category`)
        The barcode. 114 cells are in :func:`scpi.datasets.kang_2018_small` as well.

    The file names neither donors nor cell types.

    %(example_Raises)s
    """
    adata = load_example("kang_2018_unlabelled", _read, base_url=base_url, progress=progress)
    adata.obs = adata.obs[_COLUMNS].copy()
    label_perturbations(adata, PERTURBATIONS)
    return adata


def _read(path: Path) -> AnnData:
    from anndata import AnnData

    matrices = {name.removeprefix("pbmc."): matrix for name, matrix in read_r(path).items()}
    parts = {name: read_counts(matrices[name]) for name in PERTURBATIONS}
    barcodes = np.concatenate([np.asarray(matrices[name].Dimnames[1]) for name in parts])
    condition = np.repeat([*parts], [counts.shape[0] for counts, _ in parts.values()])
    obs = pd.DataFrame(
        {"barcode": pd.Categorical(barcodes), "condition": pd.Categorical(condition)},
        index=[f"{name}_{barcode}" for name, barcode in zip(condition, barcodes, strict=True)],
    )
    counts = sparse.vstack([counts for counts, _ in parts.values()], format="csr")
    _, genes = parts["ctrl"]
    return AnnData(counts, obs=obs, var=pd.DataFrame(index=genes))
