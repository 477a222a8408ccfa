"""Rankings of genes in `adata.uns`, in the structure of `scanpy.tl.rank_genes_groups`."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scpi._slots import is_storable, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

# The header of a table in an HDF5 file has 64 KiB: each field takes 52 bytes and its name, padded to eight bytes
_HEADER, _FIELD, _PADDING = 65_000, 52, 8
AgreementMetric = Literal["top_k_overlap", "top_k_jaccard", "rank_biased_overlap", "overlap_log_pval"]
"""How two rankings are compared: the functions of `scpi.metrics` of these names."""

_MAIN = {"scores": "f4", "logfoldchanges": "f4", "pvals": "f8", "pvals_adj": "f8"}
# The zarr stores of older versions hold tables as buffers, in which no field has a colon
_BUFFERS = tuple(int(part) for part in version("anndata").split(".")[:2]) < (0, 13)
_LOG, _PLACES = "log10_pvals", "places"
# Fractions of cells are tables of genes x groups, as scanpy writes them, or records where names cannot be columns
FRACTIONS = {"pts": "fraction", "pts_rest": "fraction_rest"}
_NOT_MATRICES = {"params", "names", "pts", "pts_rest"}


@dataclass(frozen=True)
class Ranking:
    """Tests of every gene in every group; NaN if a gene was not tested."""

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
    """P-values adjusted for multiple testing, groups x genes."""
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Further results of a test, by name, groups x genes."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """How the genes were tested."""
    places: NDArray[np.intp] | None = None
    """Place of each gene in the order of its group, from 0, groups x genes; if `None`, genes are ordered by score."""

    @property
    def pvals(self) -> NDArray[np.float64]:
        """P-values, groups x genes; zero if they are below the smallest float."""
        return np.asarray(10.0**self.log10_pvals)

    def order(self, rows: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Genes of each group in their order, or by score; ties keep the order of the genes."""
        if self.places is not None:
            return np.argsort(self.places if rows is None else self.places[rows], axis=1, kind="stable")
        scores = self.scores if rows is None else self.scores[rows]
        by = np.abs(scores) if self.params.get("rankby_abs", False) else scores
        # NaN sorts last in ascending order of the negative, and the sort is stable in the genes
        return np.argsort(-by, axis=1, kind="stable")


def write_ranking(adata: AnnData, key: str, ranking: Ranking, **tables: Any) -> None:
    """Store a ranking under `adata.uns[key]`.

    The structure is that of `scanpy.tl.rank_genes_groups`: `params`, and record arrays `names`, `scores`,
    `logfoldchanges`, `pvals` and `pvals_adj` with one field per group, sorted within it. In addition, there are
    `log10_pvals`, one record array for each of `ranking.extra`, and the given `tables`.

    An h5ad file cannot store record arrays with very many fields; the limit is about a thousand with short names. If
    there are more groups, the ranking is stored as matrices of groups x genes, in the order of `group_names` and
    `gene_names`, which scanpy does not read. The same holds for names with a colon before anndata 0.13, whose zarr
    stores cannot hold such fields.

    Raises
    ------
    ValueError
        If two genes or two groups have the same name.
    """
    groups = np.array([str(group) for group in ranking.groups], dtype=object)
    genes = np.array([str(gene) for gene in ranking.genes], dtype=object)
    _check_unique(groups, "groups", "Give them names that differ as text.")
    _check_unique(genes, "genes", "Call `adata.var_names_make_unique()` first.")
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
    if fits_fields(groups):
        order = ranking.order()
        stored["names"] = _records(genes[order], groups)
        # Places in the matrices, a field beside the other as a table has them in memory
        places = np.ascontiguousarray((order + len(genes) * np.arange(len(groups))[:, None]).T)
        for name, values in typed.items():
            fields = np.dtype([(group, values.dtype) for group in groups])
            stored[name] = np.take(values, places).view(fields)[:, 0].view(np.recarray)
    else:
        places = np.argsort(ranking.order(), axis=1, kind="stable")
        stored |= {"group_names": groups, "gene_names": genes, _PLACES: places, **typed}
    adata.uns[key] = stored | tables


def store_fractions(
    fractions: Mapping[str, NDArray[Any]], groups: Sequence[str], genes: NDArray[np.object_]
) -> tuple[dict[str, NDArray[Any]], dict[str, pd.DataFrame]]:
    """Fractions of cells, groups x genes, as what a ranking holds: further results of a test, and tables.

    They are the tables `pts` and `pts_rest` of scanpy where the groups can be columns of a table in a file.
    """
    if not all(map(is_storable, groups)):
        return {FRACTIONS[name]: values for name, values in fractions.items()}, {}
    return {}, {name: pd.DataFrame(values.T, index=genes, columns=groups) for name, values in fractions.items()}


def is_ranking(stored: Any) -> bool:
    """Whether an entry of `adata.uns` is a ranking of genes."""
    if not hasattr(stored, "get") or "params" not in stored:
        return False
    return "gene_names" in stored or getattr(getattr(stored.get("names"), "dtype", None), "names", None) is not None


def read_ranking(adata: AnnData, key: str) -> Ranking:
    """Read a ranking that scpi or scanpy stored.

    Genes are in the order of `adata.var_names`, followed by names that are not in it, such as those of `adata.raw`,
    and each group has them in the stored order. Values of genes that a group does not list are NaN.

    Raises
    ------
    KeyError
        If there is no ranking under that key.
    ValueError
        If a group lists a gene twice.
    """
    stored = adata.uns.get(key)
    if not is_ranking(stored):
        msg = f"`adata.uns` has no ranking of genes under {key!r}, only {listed(adata.uns)}. Call `scpi.de.rank_genes`."
        raise KeyError(msg)
    if "gene_names" in stored:
        groups, genes = (np.asarray(stored[name], dtype=object) for name in ("group_names", "gene_names"))
        skipped = {"group_names", "gene_names"}
        matrices = {
            name: np.asarray(values)
            for name, values in stored.items()
            if name not in skipped and isinstance(values, np.ndarray) and values.shape == (len(groups), len(genes))
        }
    else:
        groups, genes, matrices = _unsort(stored, adata.var_names)
    places = matrices.pop(_PLACES, None)
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
        places=None if places is None else places.astype(np.intp),
    )


def rows_of_groups(ranking: Ranking, group: str | Sequence[str] | None) -> NDArray[np.intp]:
    """Rows of a ranking that hold the given groups, in the order of the ranking."""
    if group is None:
        return np.arange(len(ranking.groups))
    asked = {str(name) for name in ([group] if isinstance(group, str) else group)}
    unknown = asked - set(ranking.groups)
    if unknown or not asked:
        msg = f"These groups were not tested: {listed(sorted(unknown))}. Tested were {listed(ranking.groups)}."
        raise ValueError(msg)
    return np.flatnonzero([name in asked for name in ranking.groups])


def fits_fields(groups: NDArray[np.object_]) -> bool:
    """Whether a table with one field per group can be written to a file."""
    lengths = [len(str(group).encode()) for group in groups]
    # A name ends with a zero byte; NumPy assigns a name to a field without one
    size = sum(_FIELD + (length // _PADDING + 1) * _PADDING for length in lengths)
    has_colon = any(":" in str(group) for group in groups)
    named = min(lengths, default=0) > 0 and not (has_colon and _BUFFERS)
    return size <= _HEADER and named


def _check_unique(names: NDArray[np.object_], what: str, advice: str) -> None:
    index = pd.Index(names, dtype=object)
    if index.has_duplicates:
        msg = f"These {what} occur more than once: {listed(index[index.duplicated()].unique(), 5)}. {advice}"
        raise ValueError(msg)


def _records(names: NDArray[np.object_], groups: NDArray[np.object_]) -> NDArray[Any]:
    """Rows of a matrix of names as the fields of a record array."""
    table = np.empty(names.shape[1], dtype=[(group, "O") for group in groups])
    for group, row in zip(groups, names, strict=True):
        table[group] = row
    return table.view(np.recarray)


def _unsort(
    stored: Mapping[str, Any], var_names: pd.Index
) -> tuple[NDArray[np.object_], NDArray[np.object_], dict[str, NDArray[Any]]]:
    """Groups, genes, and matrices of groups x genes, from record arrays sorted within each group."""
    names = stored["names"]
    groups = np.array(names.dtype.names, dtype=object)
    # scanpy replaces genes that it has filtered out by NaN
    rows = [~pd.isna(names[group]) for group in groups]
    ranked = [np.asarray(names[group], dtype=object)[row] for group, row in zip(groups, rows, strict=True)]
    for group, of_group in zip(groups, ranked, strict=True):
        _check_unique(of_group, "genes", f"Group {group!r} cannot be read; rank genes with unique names.")
    known = pd.Index(var_names.astype(str), dtype=object).unique()
    places = [known.get_indexer(of_group) for of_group in ranked]
    added = np.concatenate([of_group[place < 0] for of_group, place in zip(ranked, places, strict=True)])
    listed_here = np.zeros(len(known), dtype=bool)
    for place in places:
        listed_here[place[place >= 0]] = True
    genes = known[listed_here].append(pd.Index(added, dtype=object).unique())
    columns = [genes.get_indexer(of_group) for of_group in ranked]
    # Genes that a group does not list come last
    matrices: dict[str, NDArray[Any]] = {_PLACES: np.full((len(groups), len(genes)), len(genes))}
    for i, column in enumerate(columns):
        matrices[_PLACES][i, column] = np.arange(len(column))
    for name, table in stored.items():
        if name in _NOT_MATRICES or getattr(getattr(table, "dtype", None), "names", None) != names.dtype.names:
            continue
        values = np.full((len(groups), len(genes)), np.nan, dtype=table[groups[0]].dtype)
        for i, (group, row, column) in enumerate(zip(groups, rows, columns, strict=True)):
            values[i, column] = table[group][row]
        matrices[name] = values
    return groups, genes.to_numpy(dtype=object), matrices
