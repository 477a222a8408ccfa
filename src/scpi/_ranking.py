"""Rankings of genes in `adata.uns`, in the structure of `scanpy.tl.rank_genes_groups`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

# The header of a table in an HDF5 file has 64 kB for the names and types of its fields
MAX_FIELDS = 500
_MAIN = {"scores": "f4", "logfoldchanges": "f4", "pvals": "f8", "pvals_adj": "f8"}
_LOG = "log10_pvals"
_NOT_MATRICES = {"params", "names", "pts", "pts_rest"}


@dataclass(frozen=True)
class Ranking:
    """Tests of every gene in every group; NaN where a gene was not tested."""

    groups: NDArray[np.object_]
    """Names of the groups."""
    genes: NDArray[np.object_]
    """Names of the genes."""
    scores: NDArray[np.floating[Any]]
    """Statistic by which the genes are ranked, groups x genes."""
    logfoldchanges: NDArray[np.floating[Any]]
    """Log2 fold changes, groups x genes."""
    log10_pvals: NDArray[np.float64]
    """Decimal logarithms of the p-values, groups x genes."""
    pvals_adj: NDArray[np.float64]
    """P-values adjusted for their number, groups x genes."""
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What else a test gives, by name, groups x genes."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """How the genes were tested."""

    @property
    def pvals(self) -> NDArray[np.float64]:
        """P-values, groups x genes; zero where they are below the smallest float."""
        return np.asarray(10.0**self.log10_pvals)

    def order(self) -> NDArray[np.intp]:
        """Genes of each group from the first to the last: by score, the strongest p-value first among equal scores."""
        by = np.abs(self.scores) if self.params.get("rankby_abs", False) else self.scores
        # NaN sorts last in ascending order of the negative, and the sort is stable in the genes
        return np.argsort(-by, axis=1, kind="stable")


def write_ranking(adata: AnnData, key: str, ranking: Ranking, **tables: Any) -> None:
    """Store a ranking under `adata.uns[key]`.

    The structure is that of `scanpy.tl.rank_genes_groups`: `params`, and record arrays `names`, `scores`,
    `logfoldchanges`, `pvals` and `pvals_adj` with one field for each group, sorted within it. To these come
    `log10_pvals`, one record array for each of `ranking.extra`, and the given `tables` as they are.

    A file cannot hold record arrays of very many fields. Rankings of more than `MAX_FIELDS` groups are stored as
    matrices of groups x genes in the order of `groups` and `genes`, which scanpy does not read.
    """
    matrices = {
        "scores": ranking.scores,
        "logfoldchanges": ranking.logfoldchanges,
        "pvals": ranking.pvals,
        "pvals_adj": ranking.pvals_adj,
        _LOG: ranking.log10_pvals,
        **ranking.extra,
    }
    typed = {name: np.asarray(values, dtype=_MAIN.get(name, "f8")) for name, values in matrices.items()}
    stored: dict[str, Any] = {"params": dict(ranking.params)}
    if len(ranking.groups) > MAX_FIELDS:
        stored |= {"group_names": ranking.groups, "gene_names": ranking.genes, **typed}
    else:
        order = ranking.order()
        stored["names"] = _records(ranking.genes[order], ranking.groups, "O")
        for name, values in typed.items():
            stored[name] = _records(np.take_along_axis(values, order, axis=1), ranking.groups, values.dtype)
    adata.uns[key] = stored | tables


def read_ranking(adata: AnnData, key: str) -> Ranking:
    """Read a ranking that scpi or scanpy stored.

    Genes come in the order of `adata.var_names`, followed by names that are not in it, such as those of `adata.raw`.
    Genes that a group does not list are NaN.
    """
    stored = adata.uns.get(key)
    if not hasattr(stored, "get") or "params" not in stored or not {"names", "gene_names"} & set(stored):
        msg = f"`adata.uns` has no ranking of genes under {key!r}, only {listed(adata.uns)}. Call `scpi.de.rank_genes`."
        raise KeyError(msg)
    if "gene_names" in stored:
        groups, genes = (np.asarray(stored[name], dtype=object) for name in ("group_names", "gene_names"))
        skipped = {"group_names", "gene_names"}
        matrices = {
            name: np.asarray(values)
            for name, values in stored.items()
            if name not in skipped and np.shape(values) == (len(groups), len(genes))
        }
    else:
        groups, genes, matrices = _unsort(stored, adata.var_names)
    blank = np.full((len(groups), len(genes)), np.nan)
    pvals = matrices.pop("pvals", blank)
    with np.errstate(divide="ignore"):
        log10_pvals = matrices.pop(_LOG) if _LOG in matrices else np.log10(pvals)
    return Ranking(
        groups=groups,
        genes=genes,
        scores=matrices.pop("scores", blank),
        logfoldchanges=matrices.pop("logfoldchanges", blank),
        log10_pvals=log10_pvals,
        pvals_adj=matrices.pop("pvals_adj", blank),
        extra=matrices,
        params=stored["params"],
    )


def _records(matrix: NDArray[Any], groups: NDArray[np.object_], dtype: Any) -> NDArray[Any]:
    """Rows of a matrix as the fields of a record array."""
    table = np.empty(matrix.shape[1], dtype=[(str(group), dtype) for group in groups])
    for group, row in zip(groups, matrix, strict=True):
        table[str(group)] = row
    return table.view(np.recarray)


def _unsort(
    stored: Mapping[str, Any], var_names: pd.Index
) -> tuple[NDArray[np.object_], NDArray[np.object_], dict[str, NDArray[Any]]]:
    """Groups, genes, and matrices of groups x genes, from record arrays sorted within each group."""
    names = stored["names"]
    groups = np.array(names.dtype.names, dtype=object)
    listed_names = [np.asarray(names[group]).astype(str) for group in groups]
    known = pd.Index(var_names.astype(str), dtype=object)
    added = pd.Index(np.concatenate(listed_names), dtype=object).unique().difference(known, sort=False)
    present = known[known.isin(np.concatenate(listed_names))]
    genes = present.append(added)
    columns = [genes.get_indexer(names_of_group) for names_of_group in listed_names]
    matrices: dict[str, NDArray[Any]] = {}
    for name, table in stored.items():
        if name in _NOT_MATRICES or getattr(getattr(table, "dtype", None), "names", None) != names.dtype.names:
            continue
        values = np.full((len(groups), len(genes)), np.nan, dtype=table[groups[0]].dtype)
        for row, (group, column) in enumerate(zip(groups, columns, strict=True)):
            values[row, column] = table[group]
        matrices[name] = values
    return groups, genes.to_numpy(dtype=object), matrices
