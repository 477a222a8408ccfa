"""Gene sets as a command takes them: a file, or the name of a collection."""

from __future__ import annotations

from pathlib import Path


def read_sets(given: str | None) -> Path | dict[str, list[str]] | None:
    """Gene sets of a file or of a collection, before any cell is read; `None` if none are given.

    Raises
    ------
    FileNotFoundError
        If there is neither such a file nor such a collection.
    ValueError
        If the file is damaged.
    """
    if given is None:
        return None
    from scpi import datasets
    from scpi._gene_sets import parse_gene_sets
    from scpi.datasets._gene_sets import NAMES

    path = Path(given).expanduser()
    if path.is_file():
        parse_gene_sets(path)
        return path
    for name in NAMES:
        if name == given:
            return datasets.gene_sets(name)
    msg = f"There is no file {given!r}, nor a collection of that name: --gene-sets takes a GMT file, or one of {', '.join(NAMES)}."
    raise FileNotFoundError(msg)
