"""Detection of the kind of gene ids."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENSEMBL = re.compile(r"(?P<stem>ENS(?P<species>[A-Z]*)G\d{6,})(\.\d+)?$")
_VERSION = re.compile(r"\.\d+$")
_SPECIES = {"": "human Ensembl ids", "MUS": "mouse Ensembl ids"}


def without_version(identifier: str) -> str:
    """Remove the version of an Ensembl id; other ids are unchanged."""
    if identifier.startswith("ENS") and _ENSEMBL.match(identifier):
        return _VERSION.sub("", identifier)
    return identifier


def _kind(identifier: str) -> str:
    if match := _ENSEMBL.match(identifier):
        return _SPECIES.get(match["species"], f"Ensembl ids of another species (ENS{match['species']}G)")
    if identifier.isdigit():
        return "Entrez numbers"
    if identifier == identifier.upper():
        return "human gene symbols (upper case)"
    if identifier[:1].isupper():
        return "mouse gene symbols (capitalised)"
    return "ids of an unknown kind"


def describe_ids(ids: Iterable[str]) -> str:
    """Describe the most frequent kind of ids, with an example."""
    unique = list(dict.fromkeys(ids))
    if not unique:
        return "no ids"
    kinds = [_kind(identifier) for identifier in unique]
    (kind, _), *_ = Counter(kinds).most_common(1)
    return f"{kind}, such as {unique[kinds.index(kind)]!r}"
