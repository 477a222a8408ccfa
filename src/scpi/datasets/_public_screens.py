"""Common parts of the loaders of public screens."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi.datasets._download import RemoteFile, fetch
from scpi.datasets._labels import CONTROL, DELIMITER
from scpi.datasets._read_h5ad import open_h5ad, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anndata import AnnData

logger = logging.getLogger(__name__)

ORIGINAL = "_original"
"""Suffix of columns of the file whose name scpi uses for a column of its own."""

# scPerturb (Peidli et al., Nat. Methods 21, 2024), version 1.4 on Zenodo, which publishes the MD5 sums
_SCPERTURB = "https://zenodo.org/records/13350497/files"
# scPerturBench (Wei et al. 2025), cellular contexts, on Zenodo, which publishes the MD5 sums
_SCPERTURBENCH = "https://zenodo.org/records/14607156/files"
# scverse, whose registries (that of liana) publish the SHA-256 sum
_SCVERSE = "https://exampledata.scverse.org/pertpy"

FILES = {
    "hagai_2018": RemoteFile("crossSpecies.h5ad.gz", _SCPERTURBENCH, "md5:a73256c4e77ba802d878bc482b07d065"),
    "kang_2018": RemoteFile(
        "kang_2018.h5ad", _SCVERSE, "sha256:e6a5adac64dcdeb36eaba27db49b63e0c64bb0ed4a64c6705971506b41c39830"
    ),
    "nault_2021": RemoteFile("TCDD.h5ad.gz", _SCPERTURBENCH, "md5:46b47af026cefb7d53e58522b9b3a1dc"),
    "norman_2019": RemoteFile("NormanWeissman2019_filtered.h5ad", _SCPERTURB, "md5:c870e6967d91c017d9da827bab183cd6"),
    "papalexi_2021": RemoteFile(
        "PapalexiSatija2021_eccite_RNA.h5ad", _SCPERTURB, "md5:d9e8bfe20b0e7b0919be042e8fcf6d03"
    ),
    "srivatsan_2020": RemoteFile(
        "SrivatsanTrapnell2020_sciplex3.h5ad", _SCPERTURB, "md5:c9e70629505d98c7ca1a837f62b14e89"
    ),
    "wessels_2023": RemoteFile("WesselsSatija2023.h5ad", _SCPERTURB, "md5:6897bfdcda928a678208fecf4eeb282e"),
}

_SEPARATORS = re.compile(r"[_+,]")
_CONTROLS = re.compile(r"(control|ctrl|nt|negctrl\d*|non-?targeting|)$", flags=re.IGNORECASE)
_GUIDE = re.compile(r"g\d+$")
_UNKNOWN = ("nan", "None")
"""Strings that some files contain for a missing value."""


def without_guide(target: str) -> str:
    """Remove the number of the guide from a target, as in `STAT1g2`."""
    return _GUIDE.sub("", target)


def harmonise_label(label: str, clean: Callable[[str], str] = str) -> str:
    """Convert a label to the form of scpi: `A`, `A+B` in alphabetical order, or `control`."""
    targets = {clean(part.strip()) for part in _SEPARATORS.split(label)}
    return DELIMITER.join(sorted(target for target in targets if not _CONTROLS.match(target))) or CONTROL


def _texts(column: pd.Series) -> pd.Series:
    texts = column.astype(str).astype(object)
    return texts.where(column.notna() & ~texts.isin(_UNKNOWN), None)


def _described(
    obs: pd.DataFrame, label: str, names: Mapping[str, str], amounts: Mapping[str, str], harmonise: Callable[[str], str]
) -> pd.DataFrame:
    """Compute the columns of scpi from those of a file; unknown values are missing."""
    original = _texts(obs[label])
    known = {text: harmonise(text) for text in original.dropna().unique()}
    found = pd.DataFrame({Key.obs.PERTURBATION: original.map(known)}, index=obs.index)
    for name, column in names.items():
        found[name] = _texts(obs[column])
    for name, column in amounts.items():
        numbers = pd.to_numeric(_texts(obs[column]), errors="coerce").astype(np.float64)
        found[name] = numbers.mask(found[Key.obs.PERTURBATION] == CONTROL, 0.0)
    return found


def _complete(found: pd.DataFrame) -> pd.Series:
    """Whether no value of a cell is missing."""
    complete = pd.Series(True, index=found.index)
    for name in found:
        missing = complete & found[name].isna()
        if missing.any():
            what = "label" if name == Key.obs.PERTURBATION else name
            logger.info("%d of %d cells have no %s and are removed", missing.sum(), len(found), what)
        complete &= ~missing
    return complete


def _add(obs: pd.DataFrame, found: pd.DataFrame, sources: Mapping[str, str]) -> None:
    for name, source in sources.items():
        if name in obs and name != source:
            obs[f"{name}{ORIGINAL}"] = obs[name]
        if name == Key.obs.PERTURBATION:
            obs[f"{name}{ORIGINAL}"] = pd.Categorical(obs[source].astype(str))
        values = found[name]
        if values.dtype == np.float64:
            obs[name] = values
            continue
        categories = sorted(set(values))
        if name == Key.obs.PERTURBATION:
            categories = [CONTROL, *(label for label in categories if label != CONTROL)]
        obs[name] = pd.Categorical(values, categories=categories)


def _warn_unless_counts(adata: AnnData, name: str) -> None:
    # The first million values suffice and need little memory
    some = adata.X.data[:1_000_000]
    if (some < 0).any() or (some != np.rint(some)).any():
        logger.warning("%s contains values that are not counts", name)


def load_screen(
    name: str,
    *,
    base_url: str | None,
    progress: bool,
    harmonise: Callable[[str], str] = harmonise_label,
    label: str = Key.obs.PERTURBATION,
    names: Mapping[str, str] | None = None,
    amounts: Mapping[str, str] | None = None,
    layer: str | None = None,
) -> AnnData:
    """Download a screen of ``FILES``, and convert its labels and its matrix to the form that scpi uses.

    ``harmonise`` converts a label in the column ``label`` of the file. ``names`` and ``amounts`` are columns to write,
    by the columns of the file from which they are read: strings, and numbers that are 0 in the control. Cells for which
    one of them is missing are removed. ``layer`` contains the counts, if they are not in ``X``.
    """
    from anndata import AnnData

    file = FILES[name]
    sources = {Key.obs.PERTURBATION: label, **(names or {}), **(amounts or {})}
    with open_h5ad(fetch(file, base_url=base_url, progress=progress)) as stored:
        absent = [column for column in sources.values() if column not in stored.obs]
        if absent or (layer is not None and layer not in stored.layers):
            what = f"column {absent[0]!r} of labels" if absent else f"layer {layer!r} of counts"
            msg = f"{file.name} has no {what}."
            raise ValueError(msg)
        found = _described(stored.obs, label, names or {}, amounts or {}, harmonise)
        rows = _complete(found).to_numpy()
        counts = read_rows(stored.X if layer is None else stored.layers[layer], rows)
        embeddings: dict[str, Any] = {key: stored.obsm[key][rows] for key in stored.obsm}
        adata = AnnData(counts, obs=stored.obs[rows].copy(), var=stored.var.copy(), obsm=embeddings)
    _add(adata.obs, found[rows], sources)
    _warn_unless_counts(adata, file.name)
    adata.var_names_make_unique()
    return adata
