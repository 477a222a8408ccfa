"""Srivatsan et al. 2020."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scpi._keys import Key
from scpi.datasets._public_screens import load_screen

if TYPE_CHECKING:
    from anndata import AnnData


_RIGHT_HANDED = re.compile(r"\(\+\)-?")


def _drug(label: str) -> str:
    """Names of drugs hold commas and hyphens; the sign of `(+)-JQ1` would make a combination of it."""
    return _RIGHT_HANDED.sub("", label).strip()


def srivatsan_2020(*, base_url: str | None = None, progressbar: bool = False) -> AnnData:
    """Load the screen of drugs of Srivatsan et al., Science 367 (2020), known as sci-Plex 3.

    Three lines of cancer cells (A549, K562, MCF7) with 188 drugs in four doses. The file is that of scPerturb, version
    1.4 (CC BY 4.0), 2.5 GB; it is downloaded once and kept in ``scpi.settings.datasetdir``. Loaded it takes 8 GB of
    memory.

    Parameters
    ----------
    base_url
        Another home of the file, such as a mirror.
    progressbar
        Whether to show the progress of the download.

    Returns
    -------
    About 762,800 cells x 110,983 genes, those of the mouse among them, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control` (the vehicle) and drugs as the file names them; `(+)-JQ1` is `JQ1`, for `+` joins combinations. Cells
        without a label, 36,522, are left out.
    `adata.obs['dose']` : :class:`pandas.Series` (dtype `float64`)
        10, 100, 1,000 or 10,000 nM, and 0 in the control.
    `adata.obs['cell_type']` : :class:`pandas.Series` (dtype `category`)
        The cell line, the context to predict across.
    `adata.obs['perturbation_original']`
        The labels of the file. Its other columns are kept, among them `time` (24 or 72 hours) and `replicate`.

    Raises
    ------
    ConnectionError
        If the file cannot be downloaded.
    ValueError
        If the file is damaged or not the published one.
    """
    return load_screen(
        "srivatsan_2020",
        base_url=base_url,
        progressbar=progressbar,
        harmonise=_drug,
        names={"cell_type": "cell_line"},
        amounts={Key.obs.DOSE: "dose_value"},
    )
