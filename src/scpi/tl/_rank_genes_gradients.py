from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from anndata import AnnData

from scpi._docs import fill
from scpi._groups import choose_groups, group_sizes
from scpi._keys import Key
from scpi._ranking import Ranking, read_ranking, write_ranking
from scpi._rng import as_generator
from scpi._screen._spellings import find_label, merge_spellings
from scpi._slots import find_layer, listed, result_params, tested_layers
from scpi._view import View
from scpi._warn import warn_user
from scpi.attribution import methods
from scpi.de import rank_genes
from scpi.tl._decoder_contrast import decoder_contrast_scores
from scpi.tl._gradient_input import read_input
from scpi.tl._gradient_scores import MEDIAN, REST, decoder_scores, network_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.tl._gradient_input import GradientInput

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
    reference: Label = MEDIAN,
    layer: str | None = None,
    test: str | None = "auto",
    rankby_abs: bool = False,
    layer_added: str | None = None,
    rng: int | np.random.Generator | None = 0,
    n_jobs: int | None = None,
    key_added: str = Key.uns.RANK_GENES_GRADIENTS,
    mod: str | None = None,
    copy: bool = False,
    **options: Any,
) -> AnnData | MuData | None:
    r"""Rank the genes of every group of cells by the gradients of a network.

    With the default method, the network is a sparse log-linear decoder, one layer from the groups to the genes,
    :math:`\log \mu_{ig} = \log l_i + b_g + f_{k(i) g}`, for negative binomial counts of cells of depth :math:`l_i`. Its
    gradient in the assignment to group :math:`k` is :math:`f_{kg}`, which is also the gradient of the log-likelihood
    ratio of a cell in its counts. A prior under which most groups do not differ from the common level :math:`b_g` is
    learned with it (:func:`scpi.de.shrink_effects`), and the score of a gene is the posterior mean of its effect, in
    log2. It orders genes by how large their effects are as far as the cells can tell, rather than by how sure it is
    that they are not zero.

    "decoder_contrast" reads the decoder of `model`: the effect of a group is the difference of the mean logarithms that the
    decoder gives its cells (:func:`scpi.attribution.decoded_means`), which is the gradient of the decoder integrated from
    the other cells to those of the group. It is shrunken in the same way, by the standard errors of the counts.

    The other methods are attributions of an encoder, :func:`scpi.attribution.methods`: by how much a gene moves the
    score of the group over the reference, averaged over the cells of the group, in units of the input of the network.
    Without a model, they explain a small classifier of the groups.

    P-values come from a test of the counts, not from the network. If the network and the groups come from one part of
    thinned counts, that is if `layer` or the layer of the model is a train layer of :func:`scpi.de.thin_counts`, the
    other part is tested, and the p-values hold even for groups that were found by clustering.

    Parameters
    ----------
    %(data)s
    groupby
        Column of `adata.obs` with the group of each cell; cells without a label are left out. If `None`, the groups are
        the clusters or classes that `model` predicts; without such a model, the column of `adata.obs` that holds
        groups by its name, or the only one that can.
    model
        Trained model: a clustering network of scpi, or SCVI, LinearSCVI or SCANVI of scvi-tools. Its encoder is what the
        attributions explain, by the logits of its own groups, or by the distances from the centroids of the given ones
        among its latent units.
    method
        "sparse_decoder"; "decoder_contrast", for a `model` with a decoder of counts; or the name of an attribution such as
        "gradient" or "integrated_gradients".
    groups
        Groups to rank genes for; all if `"all"`.
    reference
        What a group is compared with: `"median"`, the level that most groups share, which the decoder estimates with
        the effects and which is the median of the scores of the other groups for an encoder; `"rest"`, all other cells;
        or the name of a group. The test compares with all other cells unless a group is named.
    layer
        Entry of `adata.layers` with the counts. If `None`, that of the model, or `adata.X`, or
        `adata.layers['counts']` where `adata.X` does not hold counts.
    test
        Test for the p-values, one of those of cells in :func:`scpi.de.methods`; none if `None`. With "auto", that of
        :func:`scpi.de.rank_genes`: "wilcoxon", but "poisson" on thinned counts.
    rankby_abs
        Rank by the absolute score, so that genes that go down come first too.
    layer_added
        Name of a layer for the attributions of single cells to their own group: for the sparse decoder the counts times
        their gradient, as sparse as the counts; for the decoder of a model log2 of the decoded mean over the reference, and
        for an encoder its attributions, cells x genes numbers. Not stored if `None`.
    rng
        Seed or generator of the classifier and of the draws of an attribution.
    n_jobs
        Threads of the test; `scpi.settings.n_jobs` if `None`.
    %(stored_key_added)s
    **options
        Options of the attribution, as :func:`scpi.attribution.methods` lists them, and `baseline`, `batch_size`,
        `device` and `spread` of :func:`scpi.attribution.attribute_groups`; `spread` is off unless it is asked for.

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following fields:

    `adata.uns['rank_genes_gradients' | key_added]` : :class:`dict`
        The structure that :func:`scanpy.tl.rank_genes_groups` writes: record arrays with one field for each group, best
        gene first: `names`, `scores`, `logfoldchanges` (log2 of the ratio of the mean normalised counts that are
        tested, of the group over what the test compares it with), `pvals`, `pvals_adj` and `log10_pvals` (NaN without a
        test); for a decoder `probability` (that the group differs from the common level), for an encoder with
        `spread=True` `mean_abs` (mean of the absolute attributions) and `std` (between cells); and `params`.
    `adata.obs['rank_genes_gradients' | key_added]` : :class:`pandas.Series` (dtype `category`)
        The groups, where `model` predicts them.
    `adata.layers[layer_added]`
        Attributions of single cells.

    Raises
    ------
    KeyError
        If a column or the layer is not there.
    TypeError
        If the model has no encoder or decoder that can be explained, or the method has no such option.
    ValueError
        If the values are not counts, the method, a group or the reference is unknown, there are fewer than two groups of
        two cells, or no column of groups can be found.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(300, n_genes=200, group_prob=(0.3, 0.3, 0.4), rng=0)
    >>> scpi.tl.rank_genes_gradients(adata, "group")
    >>> first = adata.uns["rank_genes_gradients"]["names"]["Group1"][0]
    >>> bool(adata.varm["de_factor"].loc[first, "Group1"] > 1)
    True
    """
    view = View.to_write(data, mod, layer, key_added=key_added)
    _check_arguments(method, options, model)
    genes = view.genes
    given = read_input(view, groupby, model=model, predicted=key_added)
    reference = find_label(reference, [MEDIAN, REST, *given.labels.categories])
    given = replace(given, labels=merge_spellings(given.labels, reference))
    names, codes = _groups_of_network(given, keep_all=given.from_model and method not in (DECODER, CONTRAST))
    if reference not in (MEDIAN, REST) and reference not in names:
        msg = f"`reference` must be {MEDIAN!r}, {REST!r} or a group of {_FEWEST} cells, {listed(names)}, but is {reference!r}."
        raise ValueError(msg)
    chosen = choose_groups(group_sizes(given.labels), given.groupby, groups, reference, _FEWEST)
    if method == DECODER:
        found = decoder_scores(given, codes, names, reference)
    elif method == CONTRAST:
        found = decoder_contrast_scores(given, codes, names, reference, model=model)
    else:
        seed = int(as_generator(rng).integers(2**31))
        found = network_scores(given, codes, names, reference, model=model, method=method, seed=seed, options=options)
    tested = _test(given, chosen, reference, test=test, n_jobs=n_jobs)
    rows = [names.index(name) for name in chosen]
    ranking = Ranking(
        groups=np.array(chosen, dtype=object),
        genes=genes,
        scores=found.scores[rows],
        logfoldchanges=tested.logfoldchanges,
        log10_pvals=tested.log10_pvals,
        pvals_adj=tested.pvals_adj,
        extra={name: values[rows] for name, values in found.extra.items()},
        params=result_params(
            groupby=given.groupby,
            reference=reference,
            method=method,
            model=None if model is None else type(model).__name__,
            use_raw=False,
            layer=given.view.layer,
            test=None if test is None else tested.params["method"],
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
    write_ranking(target, key_added, ranking)
    return result


def _check_arguments(method: str, options: dict[str, Any], model: Any) -> None:
    known = [DECODER, CONTRAST, *methods()["method"]]
    if method not in known:
        msg = f"`method` must be one of {listed(known)}, but is {method!r}."
        raise ValueError(msg)
    if method in (DECODER, CONTRAST) and options:
        msg = f"{method!r} has no option {listed(options)}: these are of the attributions of an encoder."
        raise TypeError(msg)
    if method == CONTRAST and model is None:
        msg = (
            f"{CONTRAST!r} reads the decoder of a trained model: give it as `model=`. Without one there is {DECODER!r}."
        )
        raise ValueError(msg)


def _groups_of_network(given: GradientInput, *, keep_all: bool) -> tuple[list[str], NDArray[np.intp]]:
    """Groups that the network tells apart, and that of each cell: those that are large enough, or all of a model."""
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
    """Layers of which the tested one is the other part."""
    return {
        train: adata.layers[train]
        for train, test in tested_layers(adata).items()
        if test == tested and train in adata.layers
    }


def _test(given: GradientInput, groups: list[str], reference: str, *, test: str | None, n_jobs: int | None) -> Ranking:
    """P-values and fold changes of the groups, in the order of the genes of the data."""
    if test is not None and given.from_model and not given.is_held_out:
        warn_user(
            "The groups were found by the model in the counts that are tested: p-values are too small. Train it on the "
            "train part of `scpi.de.thin_counts`, and the test part is tested."
        )
    adata, layer = given.view.adata, given.tested_layer
    values = find_layer(adata, layer)
    cells = AnnData(
        X=values if layer is None else None,
        # The train part as well, for the classes of depth within which thinned counts are tested
        layers=None if layer is None else {layer: values} | _train_parts(adata, layer),
        obs=adata.obs[[]].assign(**{given.groupby: given.labels}),
        var=adata.var[[]],
        # Says which groups are clusters and which counts are held out
        uns=dict(adata.uns),
    )
    rank_genes(
        cells,
        given.groupby,
        # The fold changes are wanted even where no test is: this one costs nothing
        method="t-test" if test is None else None if test == "auto" else test,
        groups=groups,
        reference=REST if reference == MEDIAN else reference,
        layer=layer,
        n_jobs=n_jobs,
    )
    found = read_ranking(cells, Key.uns.RANK_GENES)
    if test is None:
        blank = np.full(found.scores.shape, np.nan)
        return replace(found, log10_pvals=blank, pvals_adj=blank)
    return found
