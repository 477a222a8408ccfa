from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scpi._docs import fill
from scpi._gene_sets import match_gene_sets, parse_gene_sets, read_id_map, write_gene_sets
from scpi._keys import Key
from scpi._view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

logger = logging.getLogger(__name__)


def _measured_ids(adata: AnnData, id_column: str | None) -> list[str]:
    if not adata.var_names.is_unique:
        repeated = adata.var_names[adata.var_names.duplicated()].unique()[:3]
        msg = (
            f"The names of the genes are not unique ({', '.join(map(repr, repeated))} occur more than once). "
            "Call `adata.var_names_make_unique()`."
        )
        raise ValueError(msg)
    if id_column is None:
        return [str(name) for name in adata.var_names]
    if id_column not in adata.var:
        msg = f"`adata.var` has no column {id_column!r}, only {', '.join(map(repr, adata.var.columns)) or 'none'}."
        raise KeyError(msg)
    # A gene without an id keeps its position but matches nothing
    return [
        "" if missing else str(value)
        for value, missing in zip(adata.var[id_column], adata.var[id_column].isna(), strict=True)
    ]


@fill
def gene_sets(
    data: AnnData | MuData,
    sets: str | os.PathLike[str] | Mapping[str, Iterable[str]] | pd.DataFrame,
    *,
    min_size: int = 5,
    max_size: int | None = None,
    id_column: str | None = None,
    id_map: str | os.PathLike[str] | pd.DataFrame | Mapping[str, str] | None = None,
    case: Literal["auto", "exact", "upper"] = "auto",
    source: str = "source",
    target: str = "target",
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Match gene sets to the measured genes.

    Versions of Ensembl ids (`ENSG00000141510.18`) are ignored. Several genes may have the same id, such as a symbol
    with two Ensembl ids: all are members.

    Parameters
    ----------
    %(data)s
    sets
        Gene sets in one of these forms: the path of a GMT file, plain or gzipped; a mapping from the name of a set to
        its genes; a DataFrame of booleans, genes x sets; or a network in the format of decoupler, a DataFrame with one
        row for each gene of a set, whose weights are not used. :func:`scpi.datasets.gene_sets` loads public collections.
    min_size
        Minimum number of measured genes per set; smaller sets are dropped.
    max_size
        Maximum number of measured genes per set; larger sets are dropped.
    id_column
        Column of `adata.var` with the ids that the sets use, instead of `adata.var_names`.
    id_map
        Translation of the ids of the data into those of the sets, such as Ensembl ids into symbols: a mapping, a
        DataFrame, or the path of a table with a header. The first two columns of a table are used. Ids that are not in
        it stay unchanged.
    case
        Whether to compare ids as they are (`"exact"`) or in upper case (`"upper"`), which equates genes of two species
        that have the same name. `"auto"` uses upper case, with a warning, if that matches more than twice as many
        genes.
    source
        Column of a network with the names of the sets.
    target
        Column of a network with the genes.
    %(written_key_added)s

    `adata.varm['gene_sets' | key_added]` : :class:`scipy.sparse.csr_matrix` (dtype `bool`)
        Membership, genes x sets.
    `adata.uns['gene_sets' | key_added]` : :class:`dict`
        `names` of the sets, `sizes` (measured genes), `total_sizes` (genes in the source), `coverage` (numbers of
        matched genes, ids and sets) and `params`.

    Raises
    ------
    ValueError
        If no gene is in any set (the message names the types of ids on both sides), no set is within the size limits,
        the gene names are not unique, or a file is damaged.
    FileNotFoundError
        If a file does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> adata = AnnData(np.ones((2, 3)))
    >>> adata.var_names = ["STAT1", "JAK2", "ACTB"]
    >>> scpi.tl.gene_sets(adata, {"interferon": ["JAK2", "STAT1", "IRF1"]}, min_size=2)
    >>> adata.varm["gene_sets"].toarray().ravel()
    array([ True,  True, False])
    """
    key_added = Key.varm.GENE_SETS if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    adata = view.adata
    match = match_gene_sets(
        _measured_ids(adata, id_column),
        parse_gene_sets(sets, source=source, target=target),
        min_size=min_size,
        max_size=max_size,
        id_map=None if id_map is None else read_id_map(id_map),
        case=case,
    )
    coverage = match.coverage
    logger.info(
        "%d of %d gene sets kept (%d with fewer than %d measured genes, %d with too many); %d of %d genes are in a set",
        coverage["n_sets_kept"],
        coverage["n_sets"],
        coverage["n_sets_too_small"],
        min_size,
        coverage["n_sets_too_large"],
        coverage["n_genes_in_sets"],
        coverage["n_genes"],
    )
    params = {
        "min_size": min_size,
        "max_size": max_size,
        "id_column": id_column,
        "case": match.case,
        "mapped": id_map is not None,
        "file": Path(sets).name if isinstance(sets, str | os.PathLike) else None,
    }
    result, written = view.output(copy)
    write_gene_sets(written, match, params=params, key=key_added)
    return result
