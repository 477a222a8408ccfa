from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from scpi._docs import fill
from scpi._groups import REST, other_mean, plan_comparisons
from scpi._keys import Key
from scpi._ranking import Ranking, store_fractions, write_ranking
from scpi._screen._blocks import transformed
from scpi._sequence import as_list
from scpi._settings import settings
from scpi._slots import find_layer, listed, result_params, tested_layers
from scpi._source_cells import warn_of_source_cells
from scpi._unknown import keywords, nearest
from scpi._view import View
from scpi._warn import warn_user
from scpi.de._fdr import adjust_pvals
from scpi.de._fold_change import fold_changes, mean_counts
from scpi.de._rank_samples import rank_samples
from scpi.de._registry import find, registered
from scpi.de._sample_models import Question, write_split_groups
from scpi.de._tests._method import Cells
from scpi.de._thinned_groups import associated_batches, depth_classes, describe_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label, Plan
    from scpi._screen._expression import Expression
    from scpi.de._comparisons import Contrasts
    from scpi.de._tests._method import Method

CorrMethod = Literal["benjamini-hochberg", "bonferroni"]
Scope = Literal["group", "all"]
Transform = Literal["auto", "none"]
# Arguments of scanpy, and what to call instead
_OF_SCANPY = {
    "use_raw": "`adata.raw` is never read on its own: give `adata.raw.to_adata()`, or name a layer, `layer=`.",
    "n_genes": "All genes are stored: `scpi.get.de_df(adata, top_n=...)` returns the first ones.",
    "mask_var": "Give `adata[:, mask].copy()`, so that p-values are adjusted for these genes.",
    "tie_correct": "Ties are always corrected for.",
}
_CLUSTERING = re.compile(r"^(leiden|louvain|k_?-?means)", re.IGNORECASE)

# Name of the classes of depth among the covariates
_DEPTH = "depth of the train part"

logger = logging.getLogger(__name__)


@fill
def rank_genes(
    data: AnnData | MuData,
    groupby: str | None = None,
    *,
    method: str | None = None,
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    reference: Label | Sequence[Label] = REST,
    contrasts: Contrasts | Literal["pairs"] | None = None,
    coef: str | Sequence[str] | None = None,
    formula: str | None = None,
    split_by: str | None = None,
    joint: bool = False,
    min_cells: int = 10,
    layer: str | None = None,
    transform: Transform = "auto",
    sample_key: str | Sequence[str] | None = None,
    donor_key: str | None = None,
    covariates: str | Sequence[str] = (),
    pseudocount: float = 0.01,
    rankby_abs: bool = False,
    corr_method: CorrMethod = "benjamini-hochberg",
    corr_scope: Scope = "group",
    pts: bool = False,
    n_jobs: int | None = None,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
    **options: Any,
) -> AnnData | MuData | None:
    """Rank the genes of every group of cells by a test against the reference.

    :func:`scpi.de.methods` lists the tests with their null hypotheses. Tests of cells treat cells as independent. Cells
    of one donor or culture are not, so that p-values are too small if expression differs between samples. With
    replicates, use :func:`scpi.de.limma` or a test of samples. P-values are also too small if the groups were found by
    clustering the same counts: see :func:`scpi.de.thin_counts`.

    Parameters
    ----------
    %(data)s
    groupby
        Column of `adata.obs` with the group of each cell. Cells without a label are excluded.
    method
        Name of the test: "wilcoxon", "t-test", "t-test_overestim_var", "poisson", "logistic", "zinb", "deseq2" or
        "edger". If `None`, "wilcoxon", or "poisson" for the test part of :func:`scpi.de.thin_counts`. The latter is
        valid even if groups found on the train part differ in depth: beside the covariates, it compares cells within
        ten classes of the depth of their train part. Tests of cells need two cells in each group, and "wilcoxon" has no
        p-value below that of the most extreme permutation of the cells: see :func:`scpi.de.wilcoxon`.
    groups
        Groups to test; all if `"all"`.
    reference
        Group to compare with. With `"rest"`, each group is compared with all other labelled cells, or, by a test of
        samples, with the mean of all other groups. Tests of samples accept several references.
    contrasts, coef, formula, split_by, joint, min_cells
        For tests of samples, as in :func:`scpi.de.limma`: contrasts of groups, a term of a formula, the design, a
        column to test within, and the minimum number of cells of a sample.
    %(layer)s
        Without a name, a test of counts reads ``adata.layers["counts"]`` if ``adata.X`` does not hold counts.
    transform
        With "auto", counts are normalised to the median depth and log-transformed for tests of expression. With "none",
        values are tested as they are.
    sample_key
        Column or columns of `adata.obs` with the sample (donor, culture, well) of each cell, for tests of samples.
    donor_key
        Column with the donor of each sample, for tests of samples: several samples of a donor in a group are summed.
    %(covariates)s
        Only for tests that support covariates.
    pseudocount
        Added to both means of the fold change, in normalised counts, so that the fold change of a gene without counts
        on one side is finite.
    rankby_abs
        Whether to rank by the absolute score, so that down-regulated genes rank high too.
    corr_method
        Method of multiple testing correction.
    corr_scope
        Whether to adjust over the genes of each group, or over all groups and genes as one family. The latter controls
        the false discovery rate of a list drawn from all groups, as in a screen.
    pts
        Whether to also store the fractions of cells of the group and of the reference that express a gene.
    n_jobs
        Number of threads; `scpi.settings.n_jobs` if `None`.
    %(stored_key_added)s
    **options
        Options of the test, such as `continuity` of "wilcoxon", as :func:`scpi.de.methods` lists them.

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following field:

    `adata.uns['rank_genes_groups' | key_added]` : :class:`dict`
        The structure of :func:`scanpy.tl.rank_genes_groups`, for scanpy's functions and for `scpi.get` and `scpi.pl`.
        Record arrays have one field per group, best gene first:

        - `names`, `scores`, `pvals`, `pvals_adj`;
        - `logfoldchanges`: log2 of the ratio of the means of normalised counts; NaN for scaled data;
        - `log10_pvals`: finite if `pvals` underflows;
        - `effect`: the effect size of the test, in its own units: the rank-biserial correlation ("wilcoxon"), the
          difference of the means of the tested expression ("t-test", "t-test_overestim_var", "logistic"), the difference
          of the means in counts at the median depth ("poisson", "zinb"), or the log2 fold change ("deseq2", "edger");
        - `ave_expr`: the average of the two log means whose difference is the log fold change;
        - with `pts`, `pts` and `pts_rest`; if a file cannot hold such a column, as for a group name with a slash,
          record arrays `fraction` and `fraction_rest`.

        `params` holds the parameters. With a test of samples, log fold changes are those of its model, genes removed by
        independent filtering have no `pvals_adj`, and `groups` is a DataFrame of the comparisons, as in
        :func:`scpi.de.limma`. On the test part of thinned counts, `thinning` is a DataFrame of the groups:
        `depth_ratio` (depth of the train part over that of the reference), `correlation` and `pval` (of both parts
        within the group, along its difference from the reference), `left` (remaining variation along it within the
        group, over the squared difference) and `homogeneous`, which is false if a group is cut from a continuum or a
        mixture, or the overdispersion is wrong: if `pval` times the number of groups is below 0.01 and `left` beyond
        0.03 in absolute value. A tiny `pval` alone is that of many cells. `params["associated"]` lists columns, such as batches, that are
        associated with the groups.

    Raises
    ------
    KeyError
        If a column or the layer does not exist.
    TypeError
        If the test has no such option.
    ValueError
        If the test, a group or the reference is unknown, a group is too small, gene names are not unique, or the test
        does not apply to the values, such as a test of counts to logarithms.
    ImportError
        If the test needs a package that is not installed.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced().raw.to_adata()
    >>> scpi.de.rank_genes(adata, "bulk_labels")
    >>> sc.get.rank_genes_groups_df(adata, "CD14+ Monocyte")["names"][:2].tolist()
    ['FCGR3A', 'TMEM176B']
    """
    key_added = Key.uns.RANK_GENES if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    trained = {tested: train for train, tested in tested_layers(view.adata).items()}.get(str(layer))
    classes = None
    if method is None and trained is not None:
        method, classes = "poisson", depth_classes(view.adata, trained)
        logger.info("The layer is the test part of thinned counts: the test is 'poisson', within classes of depth.")
    test = find(method or "wilcoxon")
    if test.takes == "counts":
        view = view.of_counts()
    question = Question(
        groupby=groupby,
        # Contrasts and coefficients need no reference, and a given one conflicts with them
        reference=None if reference == REST and (contrasts is not None or coef is not None) else reference,
        groups=groups,
        contrasts=contrasts,
        coef=coef,
        sample_key=sample_key,
        covariates=as_list(covariates),
        formula=formula,
        split_by=split_by,
        joint=joint,
        min_cells=min_cells,
        donor_key=donor_key,
    )
    _check_arguments(test, question, corr_method, corr_scope, transform, pseudocount, options)
    _warn_of_raw(view)
    n_jobs = settings.n_jobs if n_jobs is None else n_jobs
    params = result_params(
        method=test.name,
        use_raw=False,
        layer=view.layer,
        corr_method=corr_method,
        corr_scope=corr_scope,
        rankby_abs=rankby_abs,
        **options,
    )
    if test.unit == "sample":
        ranking, table, asked = rank_samples(view, test, question, options=options, params=params, n_jobs=n_jobs)
        tables: dict[str, Any] = {"groups": table}
        if pts:
            fractions, found = _sample_fractions(view, question, table["label"].tolist())
            ranking, tables = replace(ranking, extra={**ranking.extra, **fractions}), tables | found
    else:
        ranking, tables = _rank_cells(
            view, test, question, classes, transform, pseudocount, pts, n_jobs, options, params
        )
        if trained is not None:
            found, thinning = _assess_groups(view, question, trained, ranking.groups.tolist())
            ranking, tables = replace(ranking, params={**ranking.params, **found}), tables | thinning
        asked = None
    result, target = view.output(copy)
    given = data if result is None else result
    if asked is not None and (column := write_split_groups(given, mod, key_added, question, asked)):
        ranking = replace(ranking, params={**ranking.params, "groupby": column, "labels": groupby})
    write_ranking(target, key_added, ranking, **tables)
    return result


def _rank_cells(
    view: View,
    test: Method,
    question: Question,
    classes: pd.Categorical | None,
    transform: Transform,
    pseudocount: float,
    pts: bool,
    n_jobs: int,
    options: dict[str, Any],
    params: dict[str, Any],
) -> tuple[Ranking, dict[str, Any]]:
    """Run a test of cells, and tabulate the fractions of cells."""
    groupby, covariates, genes = str(question.groupby), as_list(question.covariates), view.genes
    plan = plan_comparisons(view.labels(groupby), groupby, question.groups, _one(question.reference), test.min_size)
    _warn_of_clusters(view.adata, groupby, view.layer)
    warn_of_source_cells(view.adata.obs, plan.codes, None if plan.reference is None else [plan.reference])
    adjusted = view.columns(covariates, "covariates") if covariates or classes is not None else None
    if adjusted is not None and classes is not None:
        adjusted[_DEPTH] = classes
    expression = view.stored_expression(test.takes, transform)
    cells = Cells(expression.tested, plan.codes, plan.reference, covariates=adjusted, n_jobs=n_jobs)
    comparison = test.test(cells, **options)
    n_tested = len(plan.tested)
    log_pval = comparison.log_pval[:n_tested]
    fold, average = _fold_changes(view, expression, plan, pseudocount, n_jobs)
    measured = _fractions(expression.tested, plan) if pts else {}
    fractions, tables = store_fractions(measured, plan.tested, genes)
    return Ranking(
        groups=np.array(plan.tested, dtype=object),
        genes=genes,
        scores=comparison.score[:n_tested],
        logfoldchanges=fold,
        log10_pvals=log_pval / np.log(10.0),
        pvals_adj=adjust_pvals(np.exp(log_pval), params["corr_method"], params["corr_scope"]),
        extra={"effect": comparison.effect[:n_tested], "ave_expr": average, **fractions},
        params=params
        | result_params(
            groupby=groupby,
            reference=plan.reference_name,
            transform=expression.transform,
            pseudocount=pseudocount,
            covariates=covariates or None,
            depth_classes=None if classes is None else len(classes.categories),
        ),
    ), tables


def _assess_groups(
    view: View, question: Question, trained: str, tested: list[str]
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Assess groups that were found on the train part of thinned counts: parameters, and a table."""
    groupby = str(question.groupby)
    plan = plan_comparisons(view.labels(groupby), groupby, tested, _one(question.reference), 1)
    batches = associated_batches(view.adata.obs, plan.codes, [groupby, *question.covariates])
    tables = {}
    if trained in view.adata.layers:
        tables["thinning"] = describe_groups(find_layer(view.adata, trained), view.source, plan)
    return result_params(train_layer=trained, associated=batches or None), tables


def _check_arguments(
    test: Method,
    question: Question,
    corr_method: str,
    corr_scope: str,
    transform: str,
    pseudocount: float,
    options: dict[str, Any],
) -> None:
    for name, value, allowed in (
        ("corr_method", corr_method, get_args(CorrMethod)),
        ("corr_scope", corr_scope, get_args(Scope)),
        ("transform", transform, get_args(Transform)),
    ):
        if value not in allowed:
            msg = f"`{name}` must be one of {listed(allowed)}, but is {value!r}."
            raise ValueError(msg)
    if not pseudocount >= 0:
        msg = f"`pseudocount` must not be negative, but is {pseudocount}."
        raise ValueError(msg)
    if test.unit == "sample" and question.sample_key is None:
        msg = f"{test.name!r} compares samples: name the column with the sample of each cell, `sample_key=`."
        raise ValueError(msg)
    if test.unit == "cell":
        _check_for_cells(test, question)
    unknown = [name for name in options if name not in test.options]
    if unknown:
        known = [*test.options, *keywords(rank_genes)]
        advice = "".join(f" {_OF_SCANPY[name]}" if name in _OF_SCANPY else nearest(name, known) for name in unknown)
        msg = f"{test.name!r} has no option {listed(unknown)}, only {listed(test.options)}.{advice}"
        raise TypeError(msg)


def _sample_fractions(view: View, question: Question, tested: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fractions of cells of groups that were tested by samples, as a ranking holds them."""
    reference = question.reference
    several = reference is None or len(as_list(reference)) != 1
    if several or question.groupby is None or question.split_by is not None:
        msg = "`pts` are fractions of the cells of groups and of one reference: omit it with contrasts or splits."
        raise ValueError(msg)
    plan = plan_comparisons(view.labels(question.groupby), question.groupby, tested, _one(reference), 1)
    return store_fractions(_fractions(view.counts, plan), plan.tested, view.genes)


def _check_for_cells(test: Method, question: Question) -> None:
    """Refuse arguments that only tests of samples accept."""
    given = {
        "sample_key": question.sample_key is not None,
        "contrasts": question.contrasts is not None,
        "coef": question.coef is not None,
        "formula": question.formula is not None,
        "split_by": question.split_by is not None,
        "joint": question.joint,
        "donor_key": question.donor_key is not None,
    }
    for name in (name for name, value in given.items() if value):
        msg = f"{test.name!r} compares cells and has no use for `{name}`. Tests of samples are {_of_samples()}."
        raise ValueError(msg)
    if question.covariates and not test.adjusts:
        msg = f"{test.name!r} does not adjust for covariates. Tests that do are {_that_adjust()}."
        raise ValueError(msg)
    if question.groupby is None:
        msg = f"Name the column of the groups that {test.name!r} compares: `groupby`."
        raise ValueError(msg)


def _one(reference: Any) -> Label:
    """The only reference of a test of cells."""
    several = as_list(reference)
    if len(several) != 1:
        msg = f"A test of cells compares with one reference, but there are {len(several)}: {listed(several)}."
        raise ValueError(msg)
    found: Label = several[0]
    return found


def _of_samples() -> str:
    return listed(name for name, method in registered().items() if method.unit == "sample")


def _that_adjust() -> str:
    return listed(name for name, method in registered().items() if method.adjusts)


def _warn_of_raw(view: View) -> None:
    """Warn if fewer genes are ranked than scanpy would rank."""
    raw = view.adata.raw
    if view.layer is None and raw is not None and raw.n_vars > view.adata.n_vars:
        warn_user(
            f"{view.adata.n_vars} genes are ranked, but `adata.raw` has {raw.n_vars}: to rank those, give "
            "`adata.raw.to_adata()`."
        )


def _warn_of_clusters(adata: AnnData, groupby: str, layer: str | None) -> None:
    """Warn if the groups look like clusters of the tested counts."""
    recorded = adata.uns.get(groupby)
    params = recorded.get("params", {}) if hasattr(recorded, "get") else {}
    marked = hasattr(params, "get") and ("resolution" in params or "clustering" in params)
    clustered = bool(_CLUSTERING.match(groupby)) or marked
    if clustered and layer not in tested_layers(adata).values():
        warn_user(
            f"obs[{groupby!r}] looks like clusters of these cells: p-values of groups that were found in the same "
            "counts are too small. `scpi.de.thin_counts` makes valid tests possible."
        )


def _fold_changes(
    view: View, expression: Expression, plan: Plan, pseudocount: float, n_jobs: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log2 fold changes and average log2 expression, groups x genes."""
    if expression.scaled is None:
        warn_user(
            "The values have negative numbers, as scaled data do: log fold changes are left out. Normalised counts or "
            f"their logarithm give both.{view.raw_advice}"
        )
        missing = np.full((len(plan.tested), expression.tested.shape[1]), np.nan)
        return missing, missing
    fold, average = fold_changes(
        expression.scaled,
        plan.codes,
        reference=plan.reference,
        log_base=expression.log_base,
        pseudocount=pseudocount,
        n_jobs=n_jobs,
    )
    return fold[: len(plan.tested)], average[: len(plan.tested)]


def _fractions(values: Any, plan: Plan) -> dict[str, NDArray[np.float64]]:
    """Fractions of the cells that express each gene, groups x genes."""
    there = transformed(values, lambda block: (block.values != 0).astype(np.float32))
    found = mean_counts(there, plan.codes, plan.n_groups, log_base=None)
    fractions = {"pts": found, "pts_rest": other_mean(found, plan.sizes, plan.reference)}
    return {name: values[: len(plan.tested)] for name, values in fractions.items()}
