"""Parsing of gene sets in all supported formats."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from typing import TypeAlias

GeneSets: TypeAlias = "str | os.PathLike[str] | Mapping[str, Iterable[str]] | pd.DataFrame"

# Some Enrichr libraries append a weight to each gene
_WEIGHT = re.compile(r",-?\d+(\.\d+)?$")


def parse_gene_sets(sets: GeneSets, *, source: str = "source", target: str = "target") -> dict[str, list[str]]:
    """Return the distinct ids of each set in their original order; sets may be empty."""
    if isinstance(sets, str | os.PathLike):
        parsed = _read_gmt(Path(sets).expanduser())
    elif isinstance(sets, pd.DataFrame):
        parsed = _from_frame(sets, source, target)
    elif isinstance(sets, Mapping):
        parsed = {str(name): _from_iterable(str(name), ids) for name, ids in sets.items()}
    else:
        msg = (
            "Gene sets must be the path of a GMT file, a mapping from set to genes, or a DataFrame (genes x sets with "
            f"boolean values, or the columns {source!r} and {target!r}), not {type(sets).__name__}."
        )
        raise TypeError(msg)
    if not any(parsed.values()):
        msg = "There are no genes in the gene sets."
        raise ValueError(msg)
    return parsed


def _distinct(ids: Iterable[str]) -> list[str]:
    stripped = (identifier.strip() for identifier in ids)
    return list(dict.fromkeys(identifier for identifier in stripped if identifier))


def _from_iterable(name: str, ids: object) -> list[str]:
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        msg = f"The genes of the set {name!r} must be a list or another collection, not {type(ids).__name__}."
        raise TypeError(msg)
    return _distinct(str(identifier) for identifier in ids)


def _read_gmt(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        msg = f"There is no gene set file {str(path)!r}."
        if not path.suffix:
            msg += ' A public collection is loaded by its name first, such as by `scpi.datasets.gene_sets("hallmark")`.'
        raise FileNotFoundError(msg)
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8") if is_gzip else path.open(encoding="utf-8-sig") as lines:
            rows = [line.rstrip("\r\n").split("\t") for line in lines]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        msg = f"The gene set file {str(path)!r} cannot be read: it is damaged or not a text file ({error})."
        raise ValueError(msg) from error
    sets: dict[str, list[str]] = {}
    for number, fields in enumerate(rows, start=1):
        if fields == [""]:
            continue
        name = fields[0].strip()
        if len(fields) < 2 or not name:
            msg = (
                f"Line {number} of {str(path)!r} is not GMT: a line consists of a name, a description and genes, "
                "separated by tabs."
            )
            raise ValueError(msg)
        genes = [_WEIGHT.sub("", field.strip()) for field in fields[2:]]
        # The genes of repeated names are merged
        sets[name] = _distinct([*sets.get(name, []), *genes])
    return sets


def _from_frame(frame: pd.DataFrame, source: str, target: str) -> dict[str, list[str]]:
    if source in frame.columns and target in frame.columns:
        net = frame[[source, target]].dropna().astype(str)
        return {str(name): _distinct(ids) for name, ids in net.groupby(source, sort=False)[target]}
    values = frame.to_numpy()
    if values.dtype != bool:
        if values.dtype == object or not np.isin(values, (0, 1)).all():
            msg = (
                f"A DataFrame of gene sets must have the columns {source!r} and {target!r}, or boolean values with one "
                f"row per gene and one column per set. Its columns are {', '.join(map(repr, frame.columns[:5]))}"
                f"{', ...' if frame.shape[1] > 5 else ''}."
            )
            raise ValueError(msg)
        values = values.astype(bool)
    genes = frame.index.astype(str).to_numpy()
    columns = [str(name) for name in frame.columns]
    if len(set(columns)) != len(columns):
        msg = "The columns of the DataFrame of gene sets must have different names."
        raise ValueError(msg)
    return {name: _distinct(genes[values[:, column]]) for column, name in enumerate(columns)}
