from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._ranking import read_ranking, rows_of_groups
from scpi._rng import as_generator
from scpi._screen._labels import Labelling
from scpi._screen._matrix import sums
from scpi._slots import listed, result_params
from scpi._view import View
from scpi.de import false_discovery_control, fitted_comparisons
from scpi.tl._impact._statistics import as_zscore
from scpi.tl._set_tests import OF_SAMPLES, OPTIONS, ComparedSamples, RankedGenes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._ranking import Ranking

Method = Literal["camera", "fry", "roast", "ora", "prerank"]
CorrScope = Literal["group", "all"]
_DELIMITER = "+"


@fill
def enrichment(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.LIMMA,
    method: Method = "camera",
    groups: str | Sequence[str] | None = None,
    gene_sets_key: str = Key.varm.GENE_SETS,
    min_size: int = 5,
    n_genes: int = 10,
    exclude_targets: bool = False,
    corr_scope: CorrScope = "group",
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
    **options: Any,
) -> AnnData | MuData | None:
    """Test gene sets for enrichment in each comparison of a gene ranking.

    `"camera"`, `"fry"` and `"roast"` test samples. They refit the model of a result of :func:`scpi.de.limma`, with its
    design, weights and blocks. `"fry"` and `"roast"` are valid for any correlation between the genes of a set,
    `"camera"` if its `correlation` is right or estimated. `"ora"` and `"prerank"` accept any ranking. They assume that
    genes are independent, and reject too often if they are not. Use them only for rankings that no linear model of
    samples produced.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` with a ranking of genes.
    method
        Test, with its null hypothesis:

        - `"camera"`: the genes of the set change no more than others (:func:`scpi.de.camera`).
        - `"fry"`: no gene of the set changes (:func:`scpi.de.fry`).
        - `"roast"`: the same, by random rotations (:func:`scpi.de.roast`).
        - `"ora"`: genes of the set are no more frequent among the changed genes than among all tested genes
          (over-representation).
        - `"prerank"`: the genes of the set are drawn at random from the ranking (by gseapy).
    groups
        Groups or contrasts of the ranking; all if `None`.
    %(gene_sets_key)s
    min_size
        Minimum number of tested genes per set; smaller sets are left out.
    n_genes
        Maximum number of genes to list per set.
    exclude_targets
        Whether to test the sets of each group without the genes that its name contains, if groups are perturbations: a
        knock-out lowers its own transcript, which moves the sets that contain it. A name such as `A+B` contains two genes.
        These genes count among the others.
    corr_scope
        Whether to adjust p-values over the sets of each group, or over all groups as one family.
    rng
        Seed or generator of the random rotations and permutations.
    %(stored_key_added)s
    **options
        Options of the method:

        - `"camera"`: `correlation` (0.01; estimated if `None`) and `use_ranks`.
        - `"roast"`: `statistic` ("mean") and `n_rotations` (1999).
        - `"ora"`: `pval_cutoff` (0.05, of the adjusted p-value) and `log2fc_min` (0), which define the changed genes.
          Upregulated and downregulated genes are two lists.
        - `"prerank"`: `n_permutations` (1000).

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following field:

    `adata.uns['enrichment' | key_added]` : :class:`dict`
        - `results`: DataFrame of groups and sets, best first within a group, with `group`, `set`, `n_genes` (tested
          genes), `direction` ("up" or "down"), `score` (normal deviate of `pval` with the sign of the direction),
          `log2fc` (mean log2 fold change of the genes), `pval`, `pval_adj` (Benjamini-Hochberg), `rank` (from 1), and
          `genes`, those that change most in this direction, separated by semicolons. `"camera"` adds `correlation`;
          `"fry"` and `"roast"` add `pval_mixed` and `pval_mixed_adj` (genes change in either direction); `"roast"` adds
          `prop_down` and `prop_up`; `"ora"` adds `n_changed` and `n_expected` (changed genes in the set, observed and
          by chance); `"prerank"` adds `nes`.
        - `params`.

    Raises
    ------
    KeyError
        If there is no such ranking, or there are no gene sets.
    TypeError
        If the test has no such option.
    ValueError
        If the method or a group is unknown, no set has enough genes, or the cells are no longer those of the ranking.
    ImportError
        If gseapy is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> counts = np.random.default_rng(0).poisson(50, size=(8, 300))
    >>> counts[4:, :20] += 20
    >>> adata = AnnData(counts.astype(float), obs={"condition": ["ctrl"] * 4 + ["stim"] * 4})
    >>> adata.varm["gene_sets"] = np.arange(300)[:, None] // 20 == np.arange(3)
    >>> scpi.de.limma(adata, "condition", reference="ctrl")
    >>> scpi.tl.enrichment(adata)
    >>> scpi.get.enrichment(adata, pval_cutoff=0.05)[["group", "set", "direction"]].values.tolist()
    [['stim', '0', 'up']]
    """
    key_added = Key.uns.ENRICHMENT if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    adata = view.adata
    for name, value, known in (("method", method, get_args(Method)), ("corr_scope", corr_scope, get_args(CorrScope))):
        if value not in known:
            msg = f"`{name}` must be one of {listed(known)}, but is {value!r}."
            raise ValueError(msg)
    unknown = [name for name in options if name not in OPTIONS[method]]
    if unknown:
        msg = f"{method!r} has no option {listed(unknown)}: it takes {listed(OPTIONS[method])}."
        raise TypeError(msg)
    ranking = read_ranking(adata, key)
    rows = rows_of_groups(ranking, groups)
    membership, names = read_gene_sets(adata, gene_sets_key)
    place = adata.var_names.astype(str).get_indexer(ranking.genes)
    if (place < 0).any():
        msg = f"{key!r} ranks genes that are not in `adata.var_names`, such as {listed(ranking.genes[place < 0], 3)}."
        raise ValueError(msg)
    compared: dict[str, ComparedSamples] | dict[str, RankedGenes] = _of_ranking(ranking, place)
    if method in OF_SAMPLES:
        fitted = fitted_comparisons(data, key=key, mod=mod)
        compared = {name: ComparedSamples(comparison) for name, comparison in fitted.items()}
    gene_names = adata.var_names.to_numpy().astype(str)
    targets = _targets(adata.uns[key], ranking, Labelling((), _DELIMITER)) if exclude_targets else {}
    generator = as_generator(rng)
    tables = []
    for row in rows:
        one = compared[ranking.groups[row]]
        sets = (
            _without(membership, np.isin(gene_names, targets[ranking.groups[row]])) if exclude_targets else membership
        )
        tested = sets[one.genes]
        chosen = _sets_to_test(tested, min_size)
        if not len(chosen):
            continue
        table = one.test(method, tested[:, chosen], rng=generator, **options)
        table = table.assign(group=ranking.groups[row], set=names[chosen])
        tables.append(_described(table, ranking, row, place, sets[place][:, chosen], n_genes))
    if not tables:
        msg = f"No set of {gene_sets_key!r} has at least {min_size}, but not all, of the genes that were tested in {key!r}."
        raise ValueError(msg)
    params = result_params(
        key=key,
        method=method,
        gene_sets_key=gene_sets_key,
        min_size=min_size,
        exclude_targets=exclude_targets,
        corr_method="benjamini-hochberg",
        corr_scope=corr_scope,
        **options,
    )
    result, target = view.output(copy)
    target.uns[key_added] = {"params": params, "results": _ranked(tables, corr_scope)}
    return result


def _of_ranking(ranking: Ranking, place: NDArray[np.intp]) -> dict[str, RankedGenes]:
    """Collect the genes of each group of a ranking."""
    found = {}
    for row, name in enumerate(ranking.groups):
        tested = np.flatnonzero(~np.isnan(ranking.scores[row]))
        scores, log2fc, adjusted = (
            np.asarray(values[row, tested], dtype=np.float64)
            for values in (ranking.scores, ranking.logfoldchanges, ranking.pvals_adj)
        )
        found[name] = RankedGenes(place[tested], scores, log2fc, adjusted)
    return found


def _targets(stored: Mapping[str, Any], ranking: Ranking, labelling: Labelling) -> dict[str, list[str]]:
    """Genes in the label of each group, which the name of a group with parts or a contrast need not be."""
    table = stored.get("groups")
    labels = {} if table is None else dict(zip(table["group"].astype(str), table["label"].astype(str), strict=True))
    return {name: list(labelling.members(labels.get(str(name), str(name)))) for name in ranking.groups}


def _without(membership: Any, genes: NDArray[np.bool_]) -> Any:
    """Membership of the other genes; those that are marked are in no set."""
    kept = membership.multiply(~genes[:, None]).tocsr().astype(bool)
    kept.eliminate_zeros()
    return kept


def _sets_to_test(membership: Any, min_size: int) -> NDArray[np.intp]:
    """Find the sets with enough of the tested genes, but not all of them."""
    sizes = sums(membership, axis=0)
    return np.flatnonzero((sizes >= max(min_size, 1)) & (sizes < membership.shape[0]))


def _described(
    table: pd.DataFrame, ranking: Ranking, row: int, place: NDArray[np.intp], membership: Any, n_genes: int
) -> pd.DataFrame:
    """Add to each test the mean log fold change of the set and its top genes; membership is genes x sets."""
    scores = np.asarray(ranking.scores[row], dtype=np.float64)
    fold = np.asarray(ranking.logfoldchanges[row], dtype=np.float64)
    sign = np.where(table["direction"] == "down", -1.0, 1.0)
    change, genes = [], []
    by_set = membership.tocsc()
    for column, along in enumerate(sign):
        members = by_set.indices[by_set.indptr[column] : by_set.indptr[column + 1]]
        members = members[~np.isnan(scores[members])]
        change.append(fold[members].mean())
        first = members[np.argsort(-along * scores[members], kind="stable")][:n_genes]
        genes.append(";".join(map(str, ranking.genes[first[along * scores[first] > 0]])))
    z = as_zscore(sign, np.maximum(table["pval"].to_numpy(), np.finfo(np.float64).tiny))
    return table.assign(score=z, log2fc=change, genes=genes)


def _ranked(tables: list[pd.DataFrame], corr_scope: CorrScope) -> pd.DataFrame:
    """Join the tests of all groups, adjust the p-values, and sort by group and rank."""
    table = pd.concat(tables, ignore_index=True)
    # Roast adjusts mid-p-values, within a group
    for name in [name for name in ("pval", "pval_mixed") if name in table]:
        if corr_scope == "all" or f"{name}_adj" not in table:
            by = table["group"] if corr_scope == "group" else np.zeros(len(table))
            table[f"{name}_adj"] = table.groupby(by, sort=False)[name].transform(false_discovery_control)
    order = pd.Categorical(table["group"], categories=table["group"].unique())
    table = table.assign(group=order, absolute=-table["score"].abs())
    table = table.sort_values(["group", "pval", "absolute"], kind="stable", ignore_index=True)
    table["rank"] = table.groupby("group", observed=True).cumcount() + 1
    first = ["group", "set", "n_genes", "direction", "score", "log2fc", "pval", "pval_adj", "rank"]
    more = [name for name in table if name not in (*first, "absolute", "genes")]
    return table[[*first, *more, "genes"]].astype({"set": "category"})
