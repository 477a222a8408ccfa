"""Registration of data that leaves the data as it was if it fails."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mudata import MuData

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anndata import AnnData

_PREFIXES = ("_scpi_", "_scvi_")


@contextmanager
def unchanged_on_failure(data: AnnData | MuData) -> Iterator[None]:
    """Take back what fields and scvi-tools wrote to ``data``, if the block fails.

    Fields are registered one by one, each after its own checks: the second may fail when the first has written.
    """
    parts = [data, *(data.mod.values() if isinstance(data, MuData) else ())]
    before = [
        ({key: part.obs[key].copy() for key in _own(part.obs)}, {key: part.uns[key] for key in _own(part.uns)})
        for part in parts
    ]
    try:
        yield
    except BaseException:
        for part, (columns, entries) in zip(parts, before, strict=True):
            for key in set(_own(part.obs)) - set(columns):
                del part.obs[key]
            for key, column in columns.items():
                part.obs[key] = column
            for key in set(_own(part.uns)) - set(entries):
                del part.uns[key]
            for key, entry in entries.items():
                part.uns[key] = entry
        raise


def _own(keys: Iterable[str]) -> list[str]:
    """Keys that a registration writes."""
    return [key for key in keys if str(key).startswith(_PREFIXES)]
