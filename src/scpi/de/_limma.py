from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import special

from scpi._docs import fill
from scpi._groups import named_groups
from scpi._keys import Key
from scpi._ranking import Ranking, write_ranking
from scpi._screen._matrix import stored_values
from scpi._screen._spellings import find_label, merge_spellings
from scpi._sequence import as_list
from scpi._slots import listed, result_params
from scpi._view import View
from scpi._warn import warn_user
from scpi.de._contrasts import StandardError
from scpi.de._covariates import read_covariates
from scpi.de._design import DesignError
from scpi.de._fdr import false_discovery_control
from scpi.de._limma_design import ALL, Samples, Terms, build_model
from scpi.de._limma_fit import FittedModel, Options, fit_model
from scpi.de._pseudobulk import sum_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.de._ebayes import ModeratedFit
    from scpi.de._limma_design import SplitContrasts

CorrScope = Literal["group", "all"]
# Summed counts have few zeros in the genes that matter, cells have many
_ZEROS_OF_CELLS = 0.8
_LEVEL = 0.95


@fill
def limma(
    data: AnnData | MuData,
    groupby: str,
    *,
    reference: Label,
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    sample_key: str | Sequence[str] | None = None,
    covariates: str | Sequence[str] = (),
    formula: str | None = None,
    split_by: str | None = None,
    joint: bool = False,
    layer: str | None = None,
    min_cells: int = 10,
    filter_genes: bool = True,
    span: float | Literal["adaptive"] = 0.5,
    trend: bool = False,
    robust: bool = False,
    standard_error: StandardError = "limma",
    corr_scope: CorrScope = "group",
    key_added: str = Key.uns.LIMMA,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Test differences between groups of samples with limma-voom.

    The counts of the cells of each sample are summed, because cells of one sample are no replicates. The steps are
    those of limma: :func:`filter_by_expr`, :func:`norm_factors`, :func:`voom`, :func:`lm_fit`, :func:`contrasts` and
    :func:`ebayes` (Law et al., Genome Biol. 15:R29, 2014; Ritchie et al., Nucleic Acids Res. 43, 2015). The null
    hypothesis is that the mean log expression of a gene is the same in group and reference, at equal covariates.

    Parameters
    ----------
    %(data)s
    groupby
        Column of `adata.obs` with the group (condition, perturbation) of each cell. Cells without a label are left out.
    reference
        Group to compare with.
    groups
        Groups to test; all but the reference if `"all"`. The others still contribute to the variance.
    sample_key
        Column or columns with the sample (donor, culture) of each cell. One sample may have cells of several groups
        and cell types: the sums are those of each sample x group x split. If `None`, each row of `adata` is a sample.
    %(covariates)s
        They have to be the same in all cells of a sample. A covariate with a single value changes nothing.
    formula
        Design instead of `covariates`, such as `"~ condition * age + donor"`, with columns that are the same in all
        cells of a sample; it has to name `groupby`. The contrast of a group is the mean row of the design with all
        samples of the split in that group, less that with all in the reference.
    split_by
        Column with the cell type, or what else to test within.
    joint
        Fit one model to the samples of all splits, with a mean for each split and group and shared covariates and
        variances; else each split has a model of its own. With a formula, that has to name `split_by` as well.
    layer
        Entry of `adata.layers` with the counts, instead of `adata.X`.
    min_cells
        Minimum number of cells of a sample; smaller ones are left out.
    filter_genes
        Test only genes with enough counts, as :func:`filter_by_expr` has it. Genes without counts are never tested.
    span
        Fraction of the genes that a point of voom's trend rests on, or "adaptive": see :func:`voom`.
    trend, robust
        Let the prior variance follow mean expression, and keep genes of outlying variance out of it: see
        :func:`ebayes`.
    standard_error
        That of limma, or the exact one: see :func:`contrasts`.
    corr_scope
        Adjust p-values over the genes of each group and split, or over all of them as one family.
    %(written_key_added)s

    `adata.uns['limma' | key_added]` : :class:`dict`
        The structure that :func:`scanpy.tl.rank_genes_groups` writes, with one field for each group, called
        `"<split> | <group>"` if there are splits: `names`, `scores` (moderated t), `logfoldchanges` (limma's
        coefficient: the difference of mean log2 counts per million, which is not the log of a ratio of means),
        `pvals`, `pvals_adj` (Benjamini-Hochberg); also `log10_pvals` (finite where `pvals` is too small for a float),
        `ave_expr`, `lods` (B), `std_error`, `ci_low` and `ci_high` (95 % confidence, one by one) and `df`. Genes that
        were not tested are NaN.
        `groups`, a DataFrame of the fields: `group`, `split`, `label` (of the group), `n_samples`, `n_reference`,
        `n_genes` (tested), `df_residual` and `df_prior` (median of the genes). `voom`, a DataFrame of the trends:
        `split`, `gene`, `mean_log_count`, `sqrt_sd`, `line`. `F`, a DataFrame of the joint tests of all groups of a
        split, NaN of more than 2,000 groups where the design has no mean for each: `split`, `gene`, `F`, `pval`,
        `log10_pval`, `pval_adj`. And `params`.

    Raises
    ------
    KeyError
        If a column or the layer is not there.
    ValueError
        If the values are not counts, a group or the reference is unknown or has no sample of enough cells, a covariate
        differs within a sample, the design is not of full rank or leaves no residual degrees of freedom, or there is
        nothing to test. A split in which there is no comparison is left out with a warning, unless none is left.

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
    view = View.to_write(data, mod, layer, key_added=key_added)
    covariates = as_list(covariates)
    _check_arguments(formula, covariates, split_by, joint, standard_error, corr_scope)
    genes = view.genes
    labels = view.labels(groupby)
    reference = find_label(reference, labels.categories)
    labels = merge_spellings(labels, reference)
    tested = _tested_groups(labels, groupby, reference, groups)
    keys = {groupby: labels} | ({} if split_by is None else {split_by: view.labels(split_by)})
    terms = None if formula is None else Terms.of(formula, needed=list(keys) if joint else [groupby], view=view)
    used = covariates if terms is None else terms.columns
    adjusted = view.columns(used, "covariates" if terms is None else "formula").drop(
        columns=list(keys), errors="ignore"
    )
    if sample_key is None:
        samples, counts = _rows_as_samples(view, keys, adjusted)
    else:
        samples, counts = _sum_samples(view, keys, adjusted, as_list(sample_key), min_cells)
    adjusted = read_covariates(samples[list(adjusted)], slopes=None if terms is None else terms.slopes)
    described = Samples(samples.assign(**dict(adjusted.items())), groupby, reference, split_by)
    tested = _present_groups(described, tested, groups, min_cells if sample_key is not None else None)

    options = Options(filter_genes, span, trend, robust, standard_error)
    fitted = []
    for name, rows in _models(described, joint):
        try:
            design, splits = build_model(described.rows(rows), tested, covariates=covariates, formula=formula)
            fitted.append((name, design.df_residual, splits, fit_model(counts[rows], design, splits, options)))
        except DesignError as error:
            if name is None:
                raise
            warn_user(f"Left out {name!r} of {split_by!r}. {error}")
    if not fitted:
        msg = f"In no {split_by!r} can a group be compared with {reference!r}: see the warnings for the reasons."
        raise ValueError(msg)
    _warn_of_missing(described, tested, fitted)

    params = result_params(
        groupby=groupby,
        reference=reference,
        method="limma",
        use_raw=False,
        layer=layer,
        corr_method="benjamini-hochberg",
        corr_scope=corr_scope,
        sample_key=sample_key if isinstance(sample_key, str | None) else list(sample_key),
        covariates=covariates or None,
        formula=formula,
        split_by=split_by,
        joint=joint,
        min_cells=min_cells,
        filter_genes=filter_genes,
        span=span,
        trend=trend,
        robust=robust,
        standard_error=standard_error,
    )
    ranking, table = _collect(fitted, genes, split_by is not None, corr_scope, params)
    result, target = view.output(copy)
    tables = {"groups": table, "voom": _trends(fitted, genes), "F": _joint_tests(fitted, genes)}
    write_ranking(target, key_added, ranking, **tables)
    return result


_Fitted = list[tuple[str | None, int, "list[SplitContrasts]", FittedModel]]


def _check_arguments(
    formula: str | None,
    covariates: Sequence[str],
    split_by: str | None,
    joint: bool,
    standard_error: str,
    corr_scope: str,
) -> None:
    for name, value, allowed in (
        ("standard_error", standard_error, get_args(StandardError)),
        ("corr_scope", corr_scope, get_args(CorrScope)),
    ):
        if value not in allowed:
            msg = f"`{name}` must be one of {listed(allowed)}, but is {value!r}."
            raise ValueError(msg)
    if formula is not None and len(covariates):
        msg = f"`covariates` belong into the formula, {formula!r}: give one of the two."
        raise ValueError(msg)
    if joint and split_by is None:
        msg = "`joint` is about the splits of `split_by`, which is missing."
        raise ValueError(msg)


def _tested_groups(
    labels: pd.Categorical, groupby: str, reference: str, groups: Label | Sequence[Label] | Literal["all"]
) -> list[str]:
    known = [str(label) for label in labels.categories]
    if reference not in known:
        msg = f"`reference` must be a group of `obs[{groupby!r}]`, {listed(known)}, but is {reference!r}."
        raise ValueError(msg)
    if isinstance(groups, str) and groups == "all":
        return [label for label in known if label != reference]
    return named_groups(known, groupby, groups, reference)


def _sum_samples(
    view: View, keys: dict[str, pd.Categorical], adjusted: pd.DataFrame, sample_key: list[str], min_cells: int
) -> tuple[pd.DataFrame, Any]:
    """Labels and covariates of samples, and their summed counts."""
    labels = {name: view.labels(name) for name in sample_key} | keys
    summed = sum_samples(view, labels, min_cells, more=adjusted)
    varied = [name for name in adjusted if name not in summed.obs]
    if varied:
        msg = (
            f"`covariates` must be the same in all cells of a sample, but {listed(varied)} differ within samples of "
            f"{' x '.join(map(repr, sample_key))}. Add them to `sample_key`, or leave them out."
        )
        raise ValueError(msg)
    return summed.obs, summed.counts


def _rows_as_samples(view: View, keys: dict[str, pd.Categorical], adjusted: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
    """Labels and covariates of rows that are samples, and their counts."""
    counts = view.counts
    rows = np.flatnonzero(np.all([label.codes >= 0 for label in keys.values()], axis=0))
    obs = view.adata.obs.assign(**dict(adjusted.items()), **keys)
    zeros = 1.0 - np.count_nonzero(stored_values(counts)) / max(1, np.prod(counts.shape))
    if zeros > _ZEROS_OF_CELLS and Key.obs.N_CELLS not in obs:
        warn_user(
            f"Every row counts as a sample, but {zeros:.0%} of the counts are zero, as in single cells, which are no "
            "replicates: name the column with the sample of each cell, `sample_key=`."
        )
    return obs.iloc[rows], counts[rows]


def _present_groups(
    samples: Samples, tested: list[str], groups: Label | Sequence[Label] | Literal["all"], min_cells: int | None
) -> list[str]:
    """Tested groups of which there are samples."""
    present = set(samples.groups)
    rule = "" if min_cells is None else f" of {min_cells} cells or more (`min_cells`)"
    if samples.reference not in present:
        msg = f"The reference {samples.reference!r} has no sample{rule}."
        raise ValueError(msg)
    absent = [group for group in tested if group not in present]
    left = [group for group in tested if group in present]
    msg = f"These groups have no sample{rule}: {listed(absent)}."
    if absent and (not left or not (isinstance(groups, str) and groups == "all")):
        raise ValueError(msg)
    if not left:
        msg = f"There is no group other than the reference {samples.reference!r}."
        raise ValueError(msg)
    if absent:
        warn_user(f"Not tested. {msg}")
    return left


def _models(samples: Samples, joint: bool) -> list[tuple[str | None, NDArray[np.intp]]]:
    """Samples of each model, with the split whose failure is no failure of all."""
    if joint or samples.split_by is None:
        return [(None, np.arange(len(samples.obs)))]
    names = [str(name) for name in samples.obs[samples.split_by].cat.categories]
    return [(name, np.flatnonzero(samples.splits == name)) for name in names if (samples.splits == name).any()]


def _warn_of_missing(samples: Samples, tested: Sequence[str], fitted: _Fitted) -> None:
    """Name the groups that are not compared in a split, of those splits that have a model."""
    if samples.split_by is None:
        return
    missing = [
        f"{group} in {split.split}"
        for _, _, splits, _ in fitted
        for split in splits
        for group in tested
        if group not in split.groups
    ]
    modelled = {split for name, _, _, _ in fitted for split in ([name] if name else set(samples.splits))}
    compared = {split.split for _, _, splits, _ in fitted for split in splits}
    missing += [f"any group in {split}" for split in sorted(modelled - compared)]
    if missing:
        warn_user(f"Not tested, as group or reference has no samples there: {listed(missing, 10)}.")


def _collect(
    fitted: _Fitted, genes: NDArray[np.object_], named_by_split: bool, corr_scope: str, params: dict[str, Any]
) -> tuple[Ranking, pd.DataFrame]:
    """Tests of all models in matrices of groups x genes, and what the groups are."""
    rows = [
        (split, row, model, test, df)
        for _, df, splits, model in fitted
        for split, test in zip(splits, model.tests, strict=True)
        for row in range(len(split.groups))
    ]
    names = ("scores", "coefficients", "log_pval", "ave_expr", "lods", "std_error", "df")
    matrices = {name: np.full((len(rows), len(genes)), np.nan) for name in names}
    table = []
    for i, (split, row, model, test, df) in enumerate(rows):
        for name, values in _of_row(test, row).items():
            matrices[name][i, model.genes] = values
        label = split.groups[row]
        table.append(
            {
                "group": f"{split.split} | {label}" if named_by_split else label,
                "split": split.split,
                "label": label,
                "n_samples": split.n_samples[row],
                "n_reference": split.n_reference,
                "n_genes": len(model.genes),
                "df_residual": df,
                "df_prior": float(np.median(test.df_prior)),
            }
        )
    described = pd.DataFrame(table)
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
    """Trend of voom in each model."""
    parts = [
        pd.DataFrame(
            {
                "split": ALL if name is None else name,
                "gene": genes[model.genes],
                "mean_log_count": model.trend.mean_log_count,
                "sqrt_sd": model.trend.sqrt_sd,
                "line": model.trend.line,
            }
        )
        for name, _, _, model in fitted
    ]
    return pd.concat(parts, ignore_index=True).astype({"split": "category", "gene": "category"})


def _joint_tests(fitted: _Fitted, genes: NDArray[np.object_]) -> pd.DataFrame:
    """F-tests of all groups of each split."""
    parts = [
        pd.DataFrame(
            {
                "split": split.split,
                "gene": genes[model.genes],
                "F": test.f,
                "pval": test.f_pval,
                "log10_pval": test.f_log_pval / np.log(10.0),
                "pval_adj": false_discovery_control(test.f_pval),
            }
        )
        for _, _, splits, model in fitted
        for split, test in zip(splits, model.tests, strict=True)
    ]
    return pd.concat(parts, ignore_index=True).astype({"split": "category", "gene": "category"})
