from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._gene_sets import read_gene_sets
from scpi._groups import choose_groups, group_sizes
from scpi._keys import Key
from scpi._screen._labels import Labelling
from scpi._screen._matrix import sums
from scpi._screen._spellings import merged_spellings, rename_labels
from scpi._sequence import as_list
from scpi._slots import listed, read_activity, result_params
from scpi._source_cells import warn_of_source_cells
from scpi._view import View
from scpi.de import TestResult, false_discovery_control, group_moments, welch, wilcoxon
from scpi.metrics import dar, hits_at_n

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label

Method = Literal["welch", "wilcoxon"]
_TESTS = {"welch": welch, "wilcoxon": wilcoxon}


@fill
def differential_activity(
    data: AnnData | MuData,
    *,
    activity_key: str = Key.obsm.PATHWAY_ACTIVITY,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Label | Sequence[Label] = "control",
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    method: Method = "welch",
    gene_sets_key: str = Key.varm.GENE_SETS,
    target_genes: Mapping[str, str | Sequence[str]] | None = None,
    top_n: int | Sequence[int] = (25, 100),
    delimiter: str | None = "+",
    min_cells: int = 2,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Test the activity of every gene set in every perturbation against the control.

    The null hypothesis is that the cells of a perturbation and the control cells have the same mean activity
    (`"welch"`) or the same distribution of activities (`"wilcoxon"`). Cells are treated as independent, although cells
    of the same sample are correlated. If there are replicates, check whether a set is found in each.

    The summary shows whether the sets that contain the perturbed gene stand out. It gives the differential activity
    ratio (mean absolute effect on these sets over that on all others), and the fraction of these sets among the top
    sets, next to the fraction expected by chance.

    Parameters
    ----------
    %(data)s
    activity_key
        Entry of `adata.obsm` with the activity of the sets, as written by :func:`scpi.tl.pathway_activity`.
    perturbation_key
        Column of `adata.obs` with the perturbation of each cell. For a MuData, it may also be one of `mdata.obs`.
    control
        Label of the control cells.
    groups
        Labels to test; all but the control if `"all"`.
    method
        Welch's t-test or the rank-sum test.
    %(gene_sets_key)s
        It defines the sets that contain a perturbed gene. Without it, the summary has no ratio and no hits.
    target_genes
        Target genes of each perturbation, by label. By default, a label is taken as the name of its target gene; a
        combination has the genes of its components. Names that are not measured genes are ignored.
    top_n
        Numbers of top-ranked sets in which to look for the sets of the perturbed gene.
    %(delimiter)s
    min_cells
        Minimum number of cells per group, at least 2. Smaller groups are left out with a warning, or raise an error if
        `groups` names them.
    %(written_key_added)s

    `adata.uns['differential_activity' | key_added]` : :class:`dict`
        - `results`: DataFrame of groups and sets, best first within a group, with `group`, `set`, `effect` (mean
          activity minus that of the control), `score` (t or z), `pval`, `log10_pval` (finite even if `pval`
          underflows), `pval_adj` (Benjamini-Hochberg within the group) and `rank` (by absolute score, from 1).
        - `summary`: DataFrame of groups, with `n_cells`, `n_significant` (sets with `pval_adj < 0.05`), `target_genes`,
          `n_own_sets`, `dar`, and for each of `top_n` `hits_at_25` and `chance_at_25`; NaN if no set contains the
          perturbed gene.
        - `params`.

    Raises
    ------
    KeyError
        If the activity or the column of labels does not exist.
    ValueError
        If a group is unknown or too small, there are too few control cells, nothing is left to test, or the activity
        is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> adata = AnnData(np.zeros((6, 1)), obs={"perturbation": ["control"] * 3 + ["A"] * 3})
    >>> adata.obsm["pathway_activity"] = np.array([[1.0, 2.0, 3.0, 5.0, 6.0, 7.0]]).T
    >>> scpi.tl.differential_activity(adata)
    >>> adata.uns["differential_activity"]["results"][["group", "set", "effect"]].values.tolist()
    [['A', '0', 4.0]]
    """
    key_added = Key.uns.DIFFERENTIAL_ACTIVITY if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    adata, top_n = view.adata, as_list(top_n)
    if method not in get_args(Method):
        msg = f"`method` must be one of {listed(get_args(Method))}, but is {method!r}."
        raise ValueError(msg)
    if min_cells < 2:
        msg = f"`min_cells` must be at least 2, as one cell has no variance, but is {min_cells}."
        raise ValueError(msg)
    activity, names = read_activity(adata, activity_key)
    if not np.isfinite(activity).all():
        msg = f"The activity `adata.obsm[{activity_key!r}]` has NaN or infinite values."
        raise ValueError(msg)
    labelling = Labelling.of(control, delimiter)
    written = view.labels(perturbation_key, "perturbation_key")
    names_of = [labelling.canonical(label) for label in written.categories]
    merged_spellings(written.categories, names_of)
    labels, control = rename_labels(written, names_of), labelling.control
    named = (
        groups
        if isinstance(groups, str) and groups == "all"
        else [_canonical(one, labelling) for one in as_list(groups)]
    )
    tested = _choose_groups(labels, perturbation_key, control, named, min_cells)

    # Code 0 is the control; cells of groups that are not tested have a negative code
    order = pd.Index([control, *tested])
    translation = order.get_indexer(labels.categories)
    codes = np.where(labels.codes >= 0, translation[labels.codes], -1)
    warn_of_source_cells(view.adata.obs, codes, [0])
    full = _TESTS[method](activity, codes, reference=0)
    mean = group_moments(activity, codes, n_groups=len(order)).mean
    comparison = TestResult(effect=mean[1:] - mean[0], score=full.score[1:], log_pval=full.log_pval[1:])

    own, targets = _own_sets(adata, gene_sets_key, names, tested, target_genes, labelling)
    pval_adj = false_discovery_control(comparison.pval)
    sizes = np.bincount(codes[codes >= 0], minlength=len(order))
    summary = pd.DataFrame(
        {
            "group": np.array(tested, dtype=object),
            "n_cells": sizes[1:],
            "n_significant": (pval_adj < 0.05).sum(axis=1),
            "target_genes": np.array(targets, dtype=object),
            "n_own_sets": own.sum(axis=1),
            "dar": dar(comparison.effect, own),
        }
    )
    for n in top_n:
        share = np.asarray(hits_at_n(comparison.score, own, n))
        summary[f"hits_at_{n}"] = share
        summary[f"chance_at_{n}"] = np.where(np.isnan(share), np.nan, min(n, len(names)) / len(names))
    stored = {
        "params": result_params(
            perturbation_key=perturbation_key,
            control=control,
            method=method,
            activity_key=activity_key,
            corr_method="benjamini-hochberg",
            n_reference=int(sizes[0]),
        ),
        "results": _tidy(comparison, pval_adj, tested, names),
        "summary": summary,
    }
    result, target = view.output(copy)
    target.uns[key_added] = stored
    return result


def _canonical(label: Label, labelling: Labelling) -> str:
    return labelling.canonical(label) or str(label)


def _choose_groups(
    labels: pd.Categorical, perturbation_key: str, control: str, groups: Sequence[str] | Literal["all"], min_cells: int
) -> list[str]:
    counts = group_sizes(labels)
    if counts.get(control, 0) < min_cells:
        msg = (
            f"`obs[{perturbation_key!r}]` has {counts.get(control, 0)} cell(s) of the control {control!r}, but at least "
            f"{min_cells} are needed. Its labels are {listed(counts)}."
        )
        raise ValueError(msg)
    return choose_groups(counts, perturbation_key, groups, control, min_cells)


def _own_sets(
    adata: AnnData,
    gene_sets_key: str,
    names: NDArray[np.object_],
    groups: Sequence[str],
    target_genes: Mapping[str, str | Sequence[str]] | None,
    labelling: Labelling,
) -> tuple[NDArray[np.bool_], list[str]]:
    """Find the measured target genes of each group, and the sets that contain one, groups x sets."""
    own = np.zeros((len(groups), len(names)), dtype=bool)
    given = {labelling.canonical(label): genes for label, genes in (target_genes or {}).items()}
    hit: list[list[str]] = []
    for group in groups:
        genes = as_list(given.get(group, labelling.members(group)))
        hit.append([gene for gene in (str(gene).strip() for gene in genes) if gene in adata.var_names])
    if gene_sets_key in adata.varm:
        membership, set_names = read_gene_sets(adata, gene_sets_key)
        column = pd.Index(set_names).get_indexer(names)
        for row, genes in enumerate(hit):
            if genes:
                member = sums(membership[adata.var_names.isin(genes)], axis=0) > 0
                own[row] = (column >= 0) & member[column]
    return own, [";".join(genes) for genes in hit]


def _tidy(
    comparison: TestResult, pval_adj: NDArray[np.float64], groups: Sequence[str], names: NDArray[np.object_]
) -> pd.DataFrame:
    """Build a table with one row per group and set, sorted by group and rank."""
    order = np.argsort(-np.abs(comparison.score), axis=1, kind="stable")
    n_groups, n_sets = order.shape

    def ranked(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.take_along_axis(values, order, axis=1).ravel()

    return pd.DataFrame(
        {
            # Store each string once, as there may be a million rows
            "group": pd.Categorical.from_codes(np.repeat(np.arange(n_groups), n_sets), pd.Index(groups, dtype=object)),
            "set": pd.Categorical.from_codes(order.ravel(), pd.Index(names, dtype=object)),
            "effect": ranked(comparison.effect),
            "score": ranked(comparison.score),
            "pval": ranked(comparison.pval),
            "log10_pval": ranked(comparison.log10_pval),
            "pval_adj": ranked(pval_adj),
            "rank": np.tile(np.arange(1, n_sets + 1), n_groups),
        }
    )
