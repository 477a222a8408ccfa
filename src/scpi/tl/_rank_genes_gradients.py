from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from anndata import AnnData

from scpi._docs import fill
from scpi._groups import REST, choose_groups, group_sizes
from scpi._keys import Key
from scpi._ranking import Ranking, read_ranking, store_fractions, write_ranking
from scpi._rng import as_generator
from scpi._screen._spellings import find_label, merge_spellings
from scpi._sequence import as_list
from scpi._slots import find_layer, listed, result_params, tested_layers
from scpi._view import View
from scpi._warn import warn_user
from scpi.attribution import methods
from scpi.de import rank_genes
from scpi.tl._decoder_contrast import decoder_contrast_scores
from scpi.tl._gradient_input import read_input
from scpi.tl._gradient_places import fractions, places
from scpi.tl._gradient_scores import MEDIAN, decoder_scores, network_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.tl._gradient_input import GradientInput

Score = Literal["limit", "mean"]
DECODER, CONTRAST = "sparse_decoder", "decoder_contrast"
_FEWEST = 2


@fill
def rank_genes_gradients(
    data: AnnData | MuData,
    groupby: str | None = None,
    *,
    model: Any = None,
    method: str = DECODER,
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    reference: Label = REST,
    covariates: str | Sequence[str] = (),
    score: Score = "limit",
    min_fraction: float = 0.1,
    layer: str | None = None,
    test: str | None = "auto",
    rankby_abs: bool = False,
    layer_added: str | None = None,
    rng: int | np.random.Generator | None = 0,
    n_jobs: int | None = None,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
    **options: Any,
) -> AnnData | MuData | None:
    r"""Rank the genes of every group of cells by shrunken fold changes, or by the gradients of a network.

    The default method, "sparse_decoder", computes a shrunken log2 fold change in closed form, without training a
    network. It is named after its model, a log-linear decoder from the groups to the genes,
    :math:`\log \mu_{ig} = \log l_i + b_g + f_{k(i) g}`, for counts of cells of depth :math:`l_i`. The gradient of the
    decoder in the assignment to group :math:`k` is the fold change :math:`f_{kg}`. A prior with many zero fold changes
    is learned from all genes and groups (:func:`scpi.de.log_ratios`, :func:`scpi.de.shrink_fold_changes`). The score of
    a gene is the limit of the credible interval of its fold change that is nearer to zero, that is, the smallest
    credible effect. It ranks genes by the magnitude of their effect, as far as the data supports it, rather than by the
    evidence against no effect.

    "decoder_contrast" reads the decoder of `model`. The effect of a group is the difference of the mean logarithms that
    the decoder returns for its cells and for the others (:func:`scpi.attribution.decoded_means`). This is the gradient
    of the decoder, integrated from the other cells to those of the group. It is shrunken in the same way, by the
    standard errors of the counts.

    The other methods are attributions of an encoder (:func:`scpi.attribution.methods`). They average gradients over the
    cells of a group: by how much a gene raises the score of the group over the reference, in units of the input of the
    network. Without a model, they explain a small classifier of the groups.

    Scores, fold changes and p-values all refer to the same reference. P-values come from a test of the counts, not from
    the ranking. If `layer`, or the layer of the model, is a train layer of :func:`scpi.de.thin_counts`, the other part
    of the thinned counts is tested. The p-values are then valid even for groups that were found by clustering.

    Parameters
    ----------
    %(data)s
    groupby
        Column of `adata.obs` with the group of each cell; cells without a label are left out. If `None`, the groups are
        the clusters or classes that `model` predicts. Without such a model, the column of `adata.obs` with a usual name
        of groups is used, or the only column that can contain groups.
    model
        Trained model: a clustering network of scpi, or SCVI, LinearSCVI or SCANVI of scvi-tools. Attributions explain
        its encoder: the logits of its own groups, or the distances from the centroids of the given groups in latent
        space.
    method
        "sparse_decoder"; "decoder_contrast", for a `model` with a decoder of counts; or the name of an attribution such as
        "gradient" or "integrated_gradients".
    groups
        Groups to rank genes for; all if `"all"`.
    reference
        Reference of the comparison: `"rest"`, all other cells; the name of a group; or `"median"`, the expression level
        that most groups share. The decoder estimates this level with the effects (:func:`scpi.de.shrink_effects`); for
        a network, it is the median of the scores of the other groups. No test compares with such a level, so there are
        no p-values.
    %(covariates)s
        The decoder estimates their effects on each gene together with those of the groups, and the test adjusts for
        them too. A network adjusts for the covariates that it was trained with.
    score
        Scores of the decoder, in log2: `"limit"`, the limit of the 95 % credible interval nearer to zero, or zero if
        the interval contains it; or `"mean"`, the posterior mean.
    min_fraction
        Minimum fraction of cells that express a gene: cells of the group if the gene is higher there, or else cells of
        the reference. Other genes are ranked last.
    layer
        Entry of `adata.layers` with the counts. If `None`, that of the model, or `adata.X`, or
        `adata.layers['counts']` if `adata.X` does not hold counts.
    test
        Test for the p-values, one of the tests of cells in :func:`scpi.de.methods`; none if `None`. `"auto"` chooses as
        :func:`scpi.de.rank_genes`: "wilcoxon", but "poisson" on thinned counts or with categorical covariates, and
        "logistic" with numeric ones. There is no test if `reference="median"`.
    rankby_abs
        Whether to rank by the absolute score, so that downregulated genes come first too.
    layer_added
        Name of a layer for the attributions of single cells to their own group. For the sparse decoder, these are the
        counts times their gradient, as sparse as the counts; for the decoder of a model, log2 of the decoded mean over
        the reference; and for an encoder, its attributions, as a dense cells x genes array. Not stored if `None`.
    rng
        Seed or generator of the classifier, and of attributions that draw random numbers.
    n_jobs
        Number of threads of the test; `scpi.settings.n_jobs` if `None`.
    %(stored_key_added)s
    **options
        Options of the attribution, as listed by :func:`scpi.attribution.methods`, and `baseline`, `batch_size`,
        `device` and `spread` of :func:`scpi.attribution.attribute_groups`; `spread` is off by default.

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following fields:

    `adata.uns['rank_genes_gradients' | key_added]` : :class:`dict`
        The structure of :func:`scanpy.tl.rank_genes_groups`: `params`, and record arrays with one field per group, best
        gene first:

        - `names` and `scores`.
        - `logfoldchanges`: log2 ratio of the mean normalised counts that are tested, group over reference. With
          covariates or `reference="median"`, the estimate of the decoder before shrinkage; NaN for a network with
          `reference="median"`.
        - `pvals`, `pvals_adj` and `log10_pvals`; NaN without a test.
        - For the sparse decoder, `effect` (posterior mean of the log2 fold change), `probability` (that it is not zero;
          also for the decoder of a model) and `false_sign_rate` (probability of the opposite sign).
        - For an encoder with `spread=True`, `mean_abs` (mean of the absolute attributions) and `std` (between cells).
        - `pts` and `pts_rest`: fractions of the cells of the group, and of the reference, that express a gene. With
          `reference="median"`, all other cells are the reference.
    `adata.obs['rank_genes_gradients' | key_added]` : :class:`pandas.Series` (dtype `category`)
        The groups, if `model` predicts them.
    `adata.layers[layer_added]`
        Attributions of single cells.

    Raises
    ------
    KeyError
        If a column or the layer does not exist.
    TypeError
        If the model has no encoder or decoder that can be explained, or the method has no such option.
    ValueError
        If the values are not counts; a test or covariates do not apply to the reference or the method; the method, a
        group or the reference is unknown; there are fewer than two groups of two cells; or no column of groups can be
        found.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(300, n_genes=200, group_prob=(0.3, 0.3, 0.4), rng=0)
    >>> scpi.tl.rank_genes_gradients(adata, "group")
    >>> first = adata.uns["rank_genes_gradients"]["names"]["Group1"][0]
    >>> bool(adata.varm["de_factor"].loc[first, "Group1"] > 1)
    True
    """
    key_added = Key.uns.RANK_GENES_GRADIENTS if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    covariates = as_list(covariates)
    _check_arguments(method, score, covariates, min_fraction, options, model)
    genes = view.genes
    given = read_input(view, groupby, model=model, predicted=key_added)
    if covariates:
        given = replace(given, covariates=view.columns(covariates, "covariates"))
    reference = find_label(reference, [MEDIAN, REST, *given.labels.categories])
    given = replace(given, labels=merge_spellings(given.labels, reference))
    names, codes = _groups_of_network(given, keep_all=given.from_model and method not in (DECODER, CONTRAST))
    if reference not in (MEDIAN, REST) and reference not in names:
        msg = f"`reference` must be {MEDIAN!r}, {REST!r} or a group of {_FEWEST} cells, {listed(names)}, but is {reference!r}."
        raise ValueError(msg)
    if reference == MEDIAN and test not in (None, "auto"):
        msg = (
            f"No test compares with the level that most groups share, but `test` is {test!r}: leave it out, or choose "
            f"another reference, such as {REST!r}."
        )
        raise ValueError(msg)
    test = None if reference == MEDIAN else test
    chosen = choose_groups(group_sizes(given.labels), given.groupby, groups, reference, _FEWEST)
    if method == DECODER:
        found = decoder_scores(given, codes, names, reference, score=score)
    elif method == CONTRAST:
        found = decoder_contrast_scores(given, codes, names, reference, model=model)
    else:
        seed = int(as_generator(rng).integers(2**31))
        found = network_scores(given, codes, names, reference, model=model, method=method, seed=seed, options=options)
    rows = [names.index(name) for name in chosen]
    scores, extra = found.scores[rows], {name: values[rows] for name, values in found.extra.items()}
    other = None if reference in (MEDIAN, REST) else names.index(reference)
    found_in = {name: values[rows] for name, values in fractions(given.counts, codes, len(names), other).items()}
    columns, tables = store_fractions(found_in, chosen, genes)
    # Tests do not estimate fold changes given covariates, and none compares with the level
    known = found.fold_changes[rows] if covariates or reference == MEDIAN else None
    if test is None and known is not None:
        tested = _untested(chosen, genes, known)
    else:
        tested = _test(given, chosen, reference, test=test, n_jobs=n_jobs)
    ranking = Ranking(
        groups=np.array(chosen, dtype=object),
        genes=genes,
        scores=scores,
        logfoldchanges=tested.logfoldchanges if known is None else known,
        log10_pvals=tested.log10_pvals,
        pvals_adj=tested.pvals_adj,
        extra=extra | columns,
        places=places(scores, extra.get("effect", scores), found_in, min_fraction=min_fraction, absolute=rankby_abs),
        params=result_params(
            groupby=given.groupby,
            reference=reference,
            covariates=covariates or None,
            method=method,
            score=score if method == DECODER else None,
            min_fraction=min_fraction,
            model=None if model is None else type(model).__name__,
            use_raw=False,
            layer=given.view.layer,
            test="none" if test is None else tested.params["method"],
            test_layer=given.tested_layer if test is not None else None,
            test_reference=tested.params["reference"] if test is not None else None,
            rankby_abs=rankby_abs,
            layer_added=layer_added,
            **{name: value for name, value in options.items() if isinstance(value, str | int | float)},
        ),
    )
    of_cells = None if layer_added is None else found.of_cells()
    result, target = view.output(copy)
    if layer_added is not None:
        target.layers[layer_added] = of_cells
    if given.from_model:
        target.obs[given.groupby] = given.labels
    write_ranking(target, key_added, ranking, **tables)
    return result


def _check_arguments(
    method: str, score: str, covariates: Sequence[str], min_fraction: float, options: dict[str, Any], model: Any
) -> None:
    known = [DECODER, CONTRAST, *methods()["method"]]
    if method not in known:
        msg = f"`method` must be one of {listed(known)}, but is {method!r}."
        raise ValueError(msg)
    if score not in get_args(Score):
        msg = f"`score` must be one of {listed(get_args(Score))}, but is {score!r}."
        raise ValueError(msg)
    if not 0 <= min_fraction <= 1:
        msg = f"`min_fraction` must be a fraction of cells, from 0 to 1, but is {min_fraction}."
        raise ValueError(msg)
    if method == CONTRAST and model is None:
        msg = (
            f"{CONTRAST!r} reads the decoder of a trained model: give it as `model=`. Without one there is {DECODER!r}."
        )
        raise ValueError(msg)
    if method in (DECODER, CONTRAST) and options:
        msg = (
            f"{method!r} has no option {listed(options)}: options are of the attributions of an encoder. Give batches and "
            "other columns of `obs` to adjust for as `covariates=`."
        )
        raise TypeError(msg)
    if method != DECODER and covariates:
        msg = (
            f"{method!r} explains a network, which adjusts for what it was trained with, but `covariates` are "
            f"{listed(covariates)}. Leave them out and give a `model` that was trained with them, such as scvi-tools' SCVI "
            f"with `setup_anndata(batch_key=...)`, or use {DECODER!r}."
        )
        raise ValueError(msg)


def _groups_of_network(given: GradientInput, *, keep_all: bool) -> tuple[list[str], NDArray[np.intp]]:
    """Find the groups that the network distinguishes and that of each cell: large enough ones, or all of a model."""
    labels = given.labels
    sizes = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))
    kept = np.flatnonzero(sizes >= (0 if keep_all else _FEWEST))
    if (sizes >= _FEWEST).sum() < 2:
        msg = (
            f"There must be at least two groups of {_FEWEST} cells, but {given.groupby!r} has "
            f"{dict(zip(labels.categories, sizes.tolist(), strict=True))}."
        )
        raise ValueError(msg)
    translation = np.full(len(sizes) + 1, -1)
    translation[kept] = np.arange(len(kept))
    return [str(labels.categories[i]) for i in kept], translation[labels.codes].astype(np.intp)


def _train_parts(adata: AnnData, tested: str) -> dict[str, Any]:
    """Find the train layers whose counterpart is the tested layer."""
    return {
        train: adata.layers[train]
        for train, test in tested_layers(adata).items()
        if test == tested and train in adata.layers
    }


def _test(given: GradientInput, groups: list[str], reference: str, *, test: str | None, n_jobs: int | None) -> Ranking:
    """Compute p-values and fold changes of the groups, in the gene order of the data."""
    if test is not None and given.from_model and not given.is_held_out:
        warn_user(
            "The model found the groups in the counts that are tested: p-values are too small. Train it on the "
            "train part of `scpi.de.thin_counts`; the test part is then tested."
        )
    adata, layer = given.view.adata, given.tested_layer
    values = find_layer(adata, layer)
    cells = AnnData(
        X=values if layer is None else None,
        # The train part defines the depth classes within which thinned counts are tested
        layers=None if layer is None else {layer: values} | _train_parts(adata, layer),
        obs=(adata.obs[[]] if given.covariates is None else given.covariates).assign(**{given.groupby: given.labels}),
        var=adata.var[[]],
        # Records which groups are clusters and which counts are held out
        uns=dict(adata.uns),
    )
    adjusted = [] if given.covariates is None or test is None else list(given.covariates)
    rank_genes(
        cells,
        given.groupby,
        # Fold changes are needed even without a test, and this one is cheap
        method="t-test" if test is None else _chosen_test(given) if test == "auto" else test,
        covariates=adjusted,
        groups=groups,
        reference=reference,
        layer=layer,
        n_jobs=n_jobs,
    )
    found = read_ranking(cells, Key.uns.RANK_GENES)
    return found if test is not None else _untested(groups, found.genes, found.logfoldchanges)


def _untested(groups: list[str], genes: NDArray[Any], fold_changes: NDArray[Any]) -> Ranking:
    """Make a ranking of fold changes without p-values."""
    blank = np.full(fold_changes.shape, np.nan)
    return Ranking(
        groups=np.array(groups, dtype=object),
        genes=genes,
        scores=blank,
        logfoldchanges=fold_changes,
        log10_pvals=blank,
        pvals_adj=blank,
    )


def _chosen_test(given: GradientInput) -> str | None:
    """Choose the test that adjusts for the covariates, if any; `None` for the default of `rank_genes`."""
    if given.covariates is None or given.is_held_out:
        return None
    numbers = given.covariates.select_dtypes("number")
    return "logistic" if len(numbers.columns) else "poisson"
