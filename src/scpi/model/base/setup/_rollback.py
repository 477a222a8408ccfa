"""Registration of data that leaves the data unchanged on failure."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from mudata import MuData

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

_PREFIXES = ("_scpi_", "_scvi_")
_NAMES = ("obs", "obsm", "uns")


@contextmanager
def unchanged_on_failure(data: AnnData | MuData) -> Iterator[None]:
    """Undo the changes of fields and scvi-tools to ``data`` if the block fails.

    Fields are registered one by one, each after its own checks: the second may fail after the first has written.
    """
    parts = [data, *(data.mod.values() if isinstance(data, MuData) else ())]
    before = [(part, name, {key: copy(value) for key, value in _own(part, name)}) for part in parts for name in _NAMES]
    try:
        yield
    except BaseException:
        for part, name, kept in before:
            table = getattr(part, name)
            for key, _ in _own(part, name):
                if key not in kept:
                    del table[key]
            for key, value in kept.items():
                table[key] = value
        raise


def _own(part: AnnData | MuData, name: str) -> list[tuple[str, Any]]:
    """Columns of ``obs``, or entries of ``obsm`` or ``uns``, that a registration writes."""
    return [(key, value) for key, value in getattr(part, name).items() if str(key).startswith(_PREFIXES)]
