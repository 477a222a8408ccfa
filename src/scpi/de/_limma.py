from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import special

from scpi._docs import fill
from scpi._keys import Key
from scpi._ranking import Ranking, write_ranking
from scpi._slots import listed, result_params
from scpi._view import View
from scpi.de._contrasts import StandardError
from scpi.de._fdr import false_discovery_control
from scpi.de._limma_fit import FitMethod, FittedModel, Options, fit_model
from scpi.de._sample_design import ALL
from scpi.de._sample_models import (
    FittedSamples,
    Question,
    comparison_table,
    fit_samples,
    pairing,
    warn_of_strong_priors,
    write_split_groups,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.de._comparisons import Contrasts
    from scpi.de._ebayes import ModeratedFit

CorrScope = Literal["group", "all"]
_LEVEL = 0.95


@fill
def limma(
    data: AnnData | MuData,
    groupby: str | None = None,
    *,
    reference: Label | Sequence[Label] | None = None,
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    contrasts: Contrasts | Literal["pairs"] | None = None,
    coef: str | Sequence[str] | None = None,
    sample_key: str | Sequence[str] | None = None,
    donor_key: str | None = None,
    covariates: str | Sequence[str] = (),
    formula: str | None = None,
    split_by: str | None = None,
    joint: bool = False,
    min_cells: int = 10,
    block: str | None = None,
    sample_weights: bool = False,
    exact_zeros: bool = False,
    log2fc_min: float = 0.0,
    layer: str | None = None,
    filter_genes: bool = True,
    method: FitMethod = "voom",
    span: float | Literal["adaptive"] = 0.5,
    trend: bool = False,
    robust: bool = False,
    standard_error: StandardError = "limma",
    corr_scope: CorrScope = "group",
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Test for differential expression between groups of samples with limma-voom, on pseudobulks.

    The counts of the cells of each sample are summed, because cells of one sample are not replicates. The steps are
    those of limma: :func:`filter_by_expr`, :func:`norm_factors`, :func:`voom`, :func:`lm_fit`, :func:`contrasts` and
    :func:`ebayes` (Law et al., Genome Biol. 15:R29, 2014; Ritchie et al., Nucleic Acids Res. 43, 2015). The null
    hypothesis is that the mean log expression of a gene is the same in group and reference, at equal covariates.

    With three or fewer residual degrees of freedom, as with two to four pairs of samples, and a prior of more than 20,
    p-values may be far too small, and a warning names the splits. Trust their ranking only.

    Parameters
    ----------
    %(data)s
    %(samples_groupby)s
    block
        Column with the block of each sample, such as the donor. Samples of a block are modelled as correlated, instead
        of with a mean per block: see :func:`duplicate_correlation`. Use it if donors have samples under only some
        conditions, or several under one.
    sample_weights
        Whether to estimate a weight for each sample, to down-weight samples of poor quality: see :func:`array_weights`.
        With voom, this gives voom with quality weights.
    exact_zeros
        Whether to exclude zeros that the design fits exactly from the variances, as in edgeR's voomLmFit, for example
        if no sample of a group has a count: see :func:`exact_zeros`. Useful with sparse counts; not compatible with
        `robust=True`.
    log2fc_min
        Test whether the absolute log2 fold change is above this, instead of above zero: see :func:`treat`. B-statistics
        and joint tests are not available then.
    %(counts_layer)s
    filter_genes
        Whether to test only genes with enough counts, by :func:`filter_by_expr`. Genes without counts are never tested.
    method
        "voom" weights each value by the mean-variance trend at its expected count. "trend" uses no weights: values are
        :func:`log_cpm`, and the prior variance follows their mean. Both perform equally if library sizes differ less
        than threefold.
    span
        Fraction of the genes for each point of voom's trend, or "adaptive": see :func:`voom`.
    trend, robust
        Whether the prior variance follows mean expression (always with `method="trend"`), and is robust to genes with
        outlying variance: see :func:`ebayes`.
    standard_error
        Standard error of limma, or the exact one: see :func:`contrasts`.
    corr_scope
        Whether to adjust p-values over the genes of each group and split, or over all of them as one family.
    %(written_key_added)s

    `adata.uns['limma' | key_added]` : :class:`dict`
        The structure of :func:`scanpy.tl.rank_genes_groups`, with one field per group, named `"<split> | <group>"` if
        there are splits. Genes that were not tested are NaN.

        - `names`, `scores` (moderated t), `pvals`, `pvals_adj` (Benjamini-Hochberg);
        - `logfoldchanges`: limma's coefficient, the difference of mean log2 counts per million, which is not the log of
          a ratio of means;
        - `log10_pvals` (finite if `pvals` underflows), `ave_expr`, `lods` (B), `std_error`, `df`, and `ci_low` and
          `ci_high` (pointwise 95 % confidence interval);
        - `groups`, a DataFrame of the fields: `group`, `split`, `label` (of the group or contrast), `contrast` (tested
          to be zero), `n_samples` and `n_reference` (samples of the groups with positive and with negative weight; for
          the coefficient of a level, samples with and without the level; for a slope, all samples and 0), `n_donors`
          and `n_paired` (donors of all these samples, and donors with samples on both sides, if donors are known; the
          latter is 0 if the donor is a slope), `df_residual`, `n_genes` (tested), `df_prior` (median over genes) and,
          with `block`, `correlation`;
        - `voom`, a DataFrame of the trends: `split`, `gene`, `mean_log_count`, `sqrt_sd`, `line`;
        - `F`, a DataFrame of the joint tests of all groups of a split: `split`, `gene`, `F`, `pval`, `log10_pval`,
          `pval_adj`; NaN for more than 2,000 groups, unless the design has a mean for each;
        - with `sample_weights`, `samples`: `split`, `sample` and `weight`;
        - `params`.

    `adata.obs['limma_group' | key_added + '_group']` : :class:`pandas.Categorical`
        With `split_by`, split and group of each cell, named like the fields, for functions of scanpy.

    Raises
    ------
    KeyError
        If a column or the layer does not exist.
    %(samples_ValueError)s

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> counts = np.random.default_rng(0).poisson(50, size=(8, 300))
    >>> counts[4:, 7] += 300
    >>> adata = AnnData(counts.astype(float), obs={"condition": ["ctrl"] * 4 + ["stim"] * 4})
    >>> scpi.de.limma(adata, "condition", reference="ctrl")
    >>> str(adata.uns["limma"]["names"]["stim"][0])
    '7'
    """
    key_added = Key.uns.LIMMA if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added).of_counts()
    for name, value, allowed in (
        ("standard_error", standard_error, get_args(StandardError)),
        ("corr_scope", corr_scope, get_args(CorrScope)),
        ("method", method, get_args(FitMethod)),
    ):
        if value not in allowed:
            msg = f"`{name}` must be one of {listed(allowed)}, but is {value!r}."
            raise ValueError(msg)
    genes = view.genes
    question = Question(
        groupby=groupby,
        reference=reference,
        groups=groups,
        contrasts=contrasts,
        coef=coef,
        sample_key=sample_key,
        covariates=covariates,
        formula=formula,
        split_by=split_by,
        joint=joint,
        min_cells=min_cells,
        donor_key=donor_key,
    )
    if exact_zeros and robust:
        msg = "`exact_zeros` gives genes unequal degrees of freedom; `robust=True` does not support them: use only one."
        raise ValueError(msg)
    if block is not None:
        view.columns(block, "block")
    options = Options(
        filter_genes=filter_genes,
        span=span,
        trend=trend,
        robust=robust,
        standard_error=standard_error,
        method=method,
        block=block,
        sample_weights=sample_weights,
        exact_zeros=exact_zeros,
        log2fc_min=log2fc_min,
    )
    asked, fitted = fit_samples(view, question, partial(fit_model, options=options), block=block)
    params = question.params | result_params(
        reference=asked.reference,
        method="limma",
        use_raw=False,
        layer=view.layer,
        corr_method="benjamini-hochberg",
        corr_scope=corr_scope,
        filter_genes=filter_genes,
        fit=method,
        block=block,
        sample_weights=sample_weights,
        exact_zeros=exact_zeros,
        log2fc_min=log2fc_min,
        span=span,
        trend=trend,
        robust=robust,
        standard_error=standard_error,
    )
    ranking, table = _collect(fitted, genes, corr_scope, params)
    warn_of_strong_priors(table)
    ranking = replace(ranking, params={**ranking.params, **result_params(pairing=pairing(table))})
    result, target = view.output(copy)
    if column := write_split_groups(data if result is None else result, mod, key_added, question, asked):
        ranking = replace(ranking, params={**ranking.params, "groupby": column, "labels": groupby})
    tables = {"groups": table, "F": _joint_tests(fitted, genes)}
    if method == "voom":
        tables["voom"] = _trends(fitted, genes)
    if sample_weights:
        tables["samples"] = _weights(fitted)
    write_ranking(target, key_added, ranking, **tables)
    return result


_Fitted = list[FittedSamples[FittedModel]]


def _collect(
    fitted: _Fitted, genes: NDArray[np.object_], corr_scope: str, params: dict[str, Any]
) -> tuple[Ranking, pd.DataFrame]:
    """Collect the tests of all models in matrices of groups x genes, and describe the groups."""
    rows = [
        (model.fit, test, row)
        for model in fitted
        for split, test in zip(model.splits, model.fit.tests, strict=True)
        for row in range(len(split.names))
    ]
    names = ("scores", "coefficients", "log_pval", "ave_expr", "lods", "std_error", "df")
    matrices = {name: np.full((len(rows), len(genes)), np.nan) for name in names}
    for i, (model, test, row) in enumerate(rows):
        for name, values in _of_row(test, row).items():
            matrices[name][i, model.genes] = values
    described = comparison_table(fitted).assign(
        n_genes=[len(model.genes) for model, _, _ in rows],
        df_prior=[float(np.median(test.df_prior)) for _, test, _ in rows],
    )
    if params.get("block") is not None:
        described["correlation"] = [model.correlation for model, _, _ in rows]
    margin = -special.stdtrit(matrices["df"], (1.0 - _LEVEL) / 2.0) * matrices["std_error"]
    log_pval = matrices.pop("log_pval")
    coefficients, scores = matrices.pop("coefficients"), matrices.pop("scores")
    ranking = Ranking(
        groups=described["group"].to_numpy(dtype=object),
        genes=genes,
        scores=scores,
        logfoldchanges=coefficients,
        log10_pvals=log_pval / np.log(10.0),
        pvals_adj=false_discovery_control(np.exp(log_pval), axis=None if corr_scope == "all" else -1),
        extra={**matrices, "ci_low": coefficients - margin, "ci_high": coefficients + margin},
        params=params,
    )
    return ranking, described


def _of_row(test: ModeratedFit, row: int) -> dict[str, NDArray[np.float64]]:
    return {
        "scores": test.t[row],
        "coefficients": test.coefficients[row],
        "log_pval": test.log_pval[row],
        "ave_expr": test.ave_expr,
        "lods": test.lods[row],
        "std_error": test.std_error[row],
        "df": test.df,
    }


def _trends(fitted: _Fitted, genes: NDArray[np.object_]) -> pd.DataFrame:
    """Mean-variance trend of voom in each model."""
    parts = [
        pd.DataFrame(
            {
                "split": ALL if model.name is None else model.name,
                "gene": genes[model.fit.genes],
                "mean_log_count": model.fit.trend.mean_log_count,
                "sqrt_sd": model.fit.trend.sqrt_sd,
                "line": model.fit.trend.line,
            }
        )
        for model in fitted
        if model.fit.trend is not None
    ]
    return pd.concat(parts, ignore_index=True).astype({"split": "category", "gene": "category"})


def _weights(fitted: _Fitted) -> pd.DataFrame:
    """Weights of the samples of each model."""
    parts = [
        pd.DataFrame({"split": ALL if model.name is None else model.name, **dict(model.fit.sample_weights.items())})
        for model in fitted
        if model.fit.sample_weights is not None
    ]
    return pd.concat(parts, ignore_index=True).astype({"split": "category"})


def _joint_tests(fitted: _Fitted, genes: NDArray[np.object_]) -> pd.DataFrame:
    """F-tests of all groups of each split."""
    parts = [
        pd.DataFrame(
            {
                "split": split.split,
                "gene": genes[model.fit.genes],
                "F": test.f,
                "pval": test.f_pval,
                "log10_pval": test.f_log_pval / np.log(10.0),
                "pval_adj": false_discovery_control(test.f_pval),
            }
        )
        for model in fitted
        for split, test in zip(model.splits, model.fit.tests, strict=True)
    ]
    return pd.concat(parts, ignore_index=True).astype({"split": "category", "gene": "category"})
