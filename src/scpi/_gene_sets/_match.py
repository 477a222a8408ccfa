"""Membership of measured genes in gene sets."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import sparse

from scpi._gene_sets._ids import describe_ids, without_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Case = Literal["auto", "exact", "upper"]


@dataclass(frozen=True)
class Match:
    """Gene sets in terms of the measured genes."""

    membership: sparse.csr_matrix
    """Boolean, genes x sets."""
    names: NDArray[np.object_]
    total_sizes: NDArray[np.int64]
    """Number of distinct genes of each set in its source."""
    case: str
    """How ids were compared: "exact" or "upper"."""
    coverage: dict[str, int | float]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of measured genes of each set."""
        return np.asarray(self.membership.sum(axis=0), dtype=np.int64).ravel()


def _n_matched(genes: Sequence[str], sets: Mapping[str, Sequence[str]]) -> int:
    known = {identifier for ids in sets.values() for identifier in ids}
    return sum(gene in known for gene in genes)


def _choose_case(genes: Sequence[str], sets: Mapping[str, Sequence[str]], case: Case) -> Literal["exact", "upper"]:
    if case != "auto":
        return case
    exact = _n_matched(genes, sets)
    upper = _n_matched([gene.upper() for gene in genes], {k: [i.upper() for i in v] for k, v in sets.items()})
    # Comparing in upper case equates genes of two species, so it is used only if it is necessary for a match
    if upper > 2 * exact:
        logger.warning(
            "Gene sets match %d genes as they are and %d in upper case, so upper case is used. The genes are %s, "
            "those of the sets %s. Gene sets of the same species are preferable to names from another species.",
            exact,
            upper,
            describe_ids(genes),
            describe_ids(identifier for ids in sets.values() for identifier in ids),
        )
        return "upper"
    return "exact"


def match_gene_sets(
    genes: Sequence[str],
    sets: Mapping[str, Sequence[str]],
    *,
    min_size: int = 5,
    max_size: int | None = None,
    id_map: Mapping[str, str] | None = None,
    case: Case = "auto",
) -> Match:
    """Match measured genes to the ids of gene sets and keep the sets within the size limits.

    Versions of Ensembl ids are ignored on both sides. Several genes may have the same id; all are then members.
    """
    if case not in get_args(Case):
        msg = f"`case` must be one of {', '.join(map(repr, get_args(Case)))}, but is {case!r}."
        raise ValueError(msg)
    if min_size < 1 or (max_size is not None and max_size < min_size):
        msg = f"Sizes of gene sets must satisfy 1 <= min_size <= max_size, but are {min_size} and {max_size}."
        raise ValueError(msg)
    rows = [without_version(gene) for gene in genes]
    if id_map is not None:
        mapping = {without_version(key): without_version(value) for key, value in id_map.items()}
        rows = [mapping.get(gene, gene) for gene in rows]
    columns = {name: [without_version(identifier) for identifier in ids] for name, ids in sets.items()}
    chosen = _choose_case(rows, columns, case)
    if chosen == "upper":
        rows = [gene.upper() for gene in rows]
        columns = {name: [identifier.upper() for identifier in ids] for name, ids in columns.items()}

    distinct = {name: list(dict.fromkeys(ids)) for name, ids in columns.items()}
    row_of: dict[str, list[int]] = {}
    for row, gene in enumerate(rows):
        row_of.setdefault(gene, []).append(row)
    members = [[row for identifier in ids for row in row_of.get(identifier, ())] for ids in distinct.values()]
    sizes = np.array([len(member) for member in members], dtype=np.int64)
    seen = (
        f"The data has {describe_ids(genes)}{'' if id_map is None else f' (after `id_map`: {describe_ids(rows)})'}; "
        f"the sets have {describe_ids(identifier for ids in sets.values() for identifier in ids)}."
    )
    if not sizes.any():
        msg = (
            f"No gene of the data is in any gene set. {seen} Use sets with the ids of the data, name the column of "
            "`var` that contains the ids of the sets with `id_column`, or translate with `id_map`."
        )
        raise ValueError(msg)
    small, large = sizes < min_size, sizes > (np.inf if max_size is None else max_size)
    kept = np.flatnonzero(~small & ~large)
    if len(kept) == 0:
        too_large = "" if max_size is None else f" and {large.sum()} more than max_size={max_size}"
        msg = (
            f"None of the {len(sizes)} gene sets is within the size limits: the largest has {sizes.max()} measured "
            f"genes, {small.sum()} have fewer than min_size={min_size}{too_large}. {seen}"
        )
        raise ValueError(msg)

    indices = np.concatenate([members[column] for column in kept]).astype(np.int64)
    indptr = np.concatenate([[0], np.cumsum(sizes[kept])])
    by_set = sparse.csc_matrix((np.ones(len(indices), dtype=bool), indices, indptr), shape=(len(rows), len(kept)))
    membership = by_set.tocsr()
    source_ids = {identifier for ids in distinct.values() for identifier in ids}
    n_in_sets = int((np.diff(membership.indptr) > 0).sum())
    names = list(distinct)
    return Match(
        membership=membership,
        names=np.array([names[column] for column in kept], dtype=object),
        total_sizes=np.array([len(distinct[names[column]]) for column in kept], dtype=np.int64),
        case=chosen,
        coverage={
            "n_genes": len(rows),
            "n_genes_matched": sum(gene in source_ids for gene in rows),
            "n_genes_in_sets": n_in_sets,
            "share_of_genes_in_sets": n_in_sets / len(rows),
            "n_ids": len(source_ids),
            "n_ids_measured": len(source_ids & set(rows)),
            "n_sets": len(sizes),
            "n_sets_kept": len(kept),
            "n_sets_too_small": int(small.sum()),
            "n_sets_too_large": int(large.sum()),
        },
    )
