"""Srivatsan et al. 2020."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi.datasets._public_screens import load_screen

if TYPE_CHECKING:
    from anndata import AnnData


_RIGHT_HANDED = re.compile(r"\(\+\)-?")


def _drug(label: str) -> str:
    """Names of drugs contain commas and hyphens; the plus sign of `(+)-JQ1` would make it a combination."""
    return _RIGHT_HANDED.sub("", label).strip()


@fill
def srivatsan_2020(*, base_url: str | None = None, progress: bool = False) -> AnnData:
    """Load the drug screen of Srivatsan et al., Science 367 (2020), known as sci-Plex 3.

    Three cancer cell lines (A549, K562, MCF7) with 188 drugs at four doses. The file is that of scPerturb, version 1.4
    (CC BY 4.0), 2.5 GB. It is downloaded once and cached in ``scpi.settings.datasetdir``. The loaded data take 8 GB of
    memory.

    %(download_Parameters)s

    Returns
    -------
    About 762,800 cells x 110,983 genes, including those of the mouse, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` (the vehicle) and drugs as named in the file, except that `(+)-JQ1` is `JQ1` because `+` joins
        combinations. 36,522 cells without a label are removed.
    `adata.obs['dose']` : :class:`pandas.Series` (dtype `float64`)
        10, 100, 1,000 or 10,000 nM, and 0 in the control.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        The cell line: the context of predictions.
    `adata.obs['perturbation_original']`
        The labels of the file. Its other columns are kept, among them `time` (24 or 72 hours) and `replicate`.

    %(download_Raises)s
    """
    return load_screen(
        "srivatsan_2020",
        base_url=base_url,
        progress=progress,
        harmonise=_drug,
        names={"cell_type": "cell_line"},
        amounts={Key.obs.DOSE: "dose_value"},
    )
