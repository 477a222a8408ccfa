"""What the loaders of public screens share."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._keys import Key
from scpi.datasets._download import RemoteFile, fetch, read_fetched
from scpi.datasets._labels import CONTROL, DELIMITER

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

logger = logging.getLogger(__name__)

ORIGINAL = "perturbation_original"
"""Column that keeps the labels of the source."""

# scPerturb (Peidli et al., Nat. Methods 21, 2024), version 1.4 on Zenodo, which publishes the MD5 sums
_SCPERTURB = "https://zenodo.org/records/13350497/files"

FILES = {
    "norman_2019": RemoteFile("NormanWeissman2019_filtered.h5ad", _SCPERTURB, "md5:c870e6967d91c017d9da827bab183cd6"),
    "papalexi_2021": RemoteFile(
        "PapalexiSatija2021_eccite_RNA.h5ad", _SCPERTURB, "md5:d9e8bfe20b0e7b0919be042e8fcf6d03"
    ),
    "wessels_2023": RemoteFile("WesselsSatija2023.h5ad", _SCPERTURB, "md5:6897bfdcda928a678208fecf4eeb282e"),
}

_SEPARATORS = re.compile(r"[_+,]")
_CONTROLS = re.compile(r"(control|ctrl|nt|negctrl\d*|non-?targeting|)$", flags=re.IGNORECASE)
_GUIDE = re.compile(r"g\d+$")


def without_guide(target: str) -> str:
    """Take the number of the guide off a target, as in `STAT1g2`."""
    return _GUIDE.sub("", target)


def harmonise_label(label: str, clean: Callable[[str], str] = str) -> str:
    """Write a label as scpi does: `A`, `A+B` in alphabetic order, or `control`."""
    targets = {clean(part.strip()) for part in _SEPARATORS.split(label)}
    return DELIMITER.join(sorted(target for target in targets if not _CONTROLS.match(target))) or CONTROL


def load_screen(name: str, *, base_url: str | None, progressbar: bool, clean: Callable[[str], str] = str) -> AnnData:
    """Download a screen, and bring its labels and its matrix into the form that scpi takes."""
    adata = read_fetched(fetch(FILES[name], base_url=base_url, progressbar=progressbar))
    if Key.obs.PERTURBATION not in adata.obs:
        msg = f"{FILES[name].name} has no column {Key.obs.PERTURBATION!r} of labels."
        raise ValueError(msg)
    missing = adata.obs[Key.obs.PERTURBATION].isna().to_numpy()
    if missing.any():
        logger.info("%d of %d cells have no label and are left out", missing.sum(), adata.n_obs)
        adata = adata[~missing].copy()
    original = adata.obs[Key.obs.PERTURBATION].astype(str)
    adata.obs[ORIGINAL] = pd.Categorical(original)
    harmonised = {label: harmonise_label(label, clean) for label in original.unique()}
    labels = sorted(set(harmonised.values()) - {CONTROL})
    adata.obs[Key.obs.PERTURBATION] = pd.Categorical(original.map(harmonised), categories=[CONTROL, *labels])
    adata.X = sparse.csr_matrix(adata.X, dtype=np.float32)
    adata.var_names_make_unique()
    return adata
