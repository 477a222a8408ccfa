"""Excerpt of Papalexi et al. 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi.datasets._examples import load_example
from scpi.datasets._labels import CONTROL
from scpi.datasets._r_data import read_counts, read_r

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

_CONTROL = "non-targeting"
_MANY = 5
"""Number of reads from which a guide is likely to be in a cell."""


@fill
def papalexi_2021_small(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load an excerpt of the ECCITE-seq screen of Papalexi et al., Nat. Genet. 53 (2021).

    All cells of a screen in which 25 regulators of immune checkpoints were knocked out (CRISPR) in stimulated THP-1
    cells, with 299 of the genes and the counts of the guides. The file is that of the R package sceptredata (MIT),
    1.4 MB. It is downloaded once, converted and cached in ``scpi.settings.datasetdir``.
    :func:`scpi.datasets.papalexi_2021` loads all genes.

    %(example_Parameters)s

    Returns
    -------
    20,729 cells x 299 genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        The gene that the guide with most reads targets, or `control`: 48 to 2,386 cells.
    `adata.obs['guide']` : :class:`pandas.Series` (dtype `category`)
        The guide with most reads, such as `STAT1g2`.
    `adata.obs['guide_umi']`, `adata.obs['guide_frac']` : :class:`pandas.Series` (dtype `float32`)
        Number of its reads, and their fraction of the reads of all guides.
    `adata.obs['n_guides_ge5']` : :class:`pandas.Series` (dtype `int64`)
        Number of guides with at least five reads. Most cells have one.
    `adata.obs['bio_rep']` : :class:`pandas.Series` (dtype `category`)
        One of three replicates.
    `adata.obsm['guide_counts']` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Reads of the 110 guides in ``adata.uns['guide_names']``, cells x guides.

    %(example_Raises)s
    """
    adata = load_example("papalexi_2021_small", _read, base_url=base_url, progress=progress)
    labels = adata.obs[Key.obs.PERTURBATION]
    adata.obs[Key.obs.PERTURBATION] = labels.cat.rename_categories({_CONTROL: CONTROL})
    return adata


def _read(path: Path) -> AnnData:
    from anndata import AnnData

    content = read_r(path)
    counts, genes = read_counts(content["response_matrix"])
    guide_counts, guides = read_counts(content["grna_matrix"])
    target = content["grna_target_data_frame"].astype(str).set_index("grna_id")["grna_target"]
    strongest = np.asarray(guide_counts.argmax(axis=1)).ravel()
    reads = guide_counts.max(axis=1).toarray().ravel()
    obs = pd.DataFrame(
        {
            "bio_rep": pd.Categorical(content["extra_covariates"]["bio_rep"].astype(str)),
            "guide": pd.Categorical(guides[strongest]),
            Key.obs.PERTURBATION: pd.Categorical(target.loc[guides[strongest]]),
            "guide_umi": reads,
            "guide_frac": reads / guide_counts.sum(axis=1).A1,
            "n_guides_ge5": np.asarray((guide_counts >= _MANY).sum(axis=1)).ravel().astype(np.int64),
        },
        index=[f"cell{number:05d}" for number in range(1, len(reads) + 1)],
    )
    return AnnData(
        counts,
        obs=obs,
        var=pd.DataFrame(index=genes),
        obsm={"guide_counts": guide_counts},
        uns={"guide_names": guides.astype(object)},
    )
