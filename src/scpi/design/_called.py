"""Genes that a test of the package calls significant in a simulated experiment."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._ranking import read_ranking
from scpi.de import limma, methods, rank_genes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

LIMMA = "limma"
_KEY = "called"


def known_tests() -> dict[str, str]:
    """Map the name of each test to whether it compares cells or samples."""
    table = methods()
    return dict(zip(table["method"], table["unit"], strict=True)) | {LIMMA: "sample"}


def pvals_of(
    adata: AnnData, columns: tuple[str, str], *, reference: str, groups: list[str], test: str, options: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute p-values and adjusted p-values of a test of counts, groups x genes; 1 for genes that are not tested.

    ``columns`` are those with the group and the sample of each cell.
    """
    groupby, sample_key = columns
    sample = {"sample_key": sample_key} if known_tests()[test] == "sample" else {}
    arguments: dict[str, Any] = sample | {"reference": reference, "groups": groups, "key_added": _KEY} | options
    with _quiet():
        if test == LIMMA:
            limma(adata, groupby, **{"min_cells": 1, **arguments})
        else:
            rank_genes(adata, groupby, method=test, **arguments)
    ranking = read_ranking(adata, _KEY)
    rows = [list(ranking.groups).index(name) for name in groups]
    place = {gene: i for i, gene in enumerate(ranking.genes)}
    genes = np.array([place.get(gene, -1) for gene in adata.var_names])
    found = []
    for values in (ranking.pvals, ranking.pvals_adj):
        of_all = np.where(genes >= 0, values[rows][:, genes], np.nan)
        found.append(np.nan_to_num(of_all, nan=1.0))
    return found[0], found[1]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the messages of each test."""
    logger = logging.getLogger("scpi")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)
