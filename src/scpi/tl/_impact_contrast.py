from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._saliency import find_units
from scpi._slots import listed, result_params
from scpi._view import View
from scpi._warn import warn_user
from scpi.attribution import attribute_batches
from scpi.de import false_discovery_control
from scpi.model import attribution_target
from scpi.tl._gene_set_impact import check_numbers, choose_sets
from scpi.tl._gradient_input import expression_of_model
from scpi.tl._impact._cells import sample_means
from scpi.tl._impact._contrast import between_cells, between_donors
from scpi.tl._impact._null import matched_null, set_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

logger = logging.getLogger(__name__)

_REST = "rest"
_FEWEST_DONORS = 2


@dataclass(frozen=True)
class _Samples:
    """Samples whose cells are averaged: the two groups, or the two groups of each donor."""

    codes: NDArray[np.intp]
    """Sample of each cell; negative if the cell is left out."""
    is_target: NDArray[np.bool_]
    donors: NDArray[np.intp] | None
    """Donor of each sample if the comparison is within donors."""


@fill
def impact_contrast(
    data: AnnData | MuData,
    model: Any,
    groupby: str,
    *,
    target: str,
    reference: str = _REST,
    method: str = "integrated_gradients",
    baseline: str | ArrayLike | None = None,
    donor_key: str | None = None,
    gene_sets_key: str = Key.varm.GENE_SETS,
    units: str | Sequence[str] | None = None,
    layer: str | None = None,
    n_bins: int = 25,
    min_size: int = 5,
    max_size: int | None = None,
    min_cells: int = 10,
    n_cells: int | None = None,
    n_bootstrap: int = 1000,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
    **options: Any,
) -> AnnData | MuData | None:
    r"""Compare the impact of gene sets on latent units between two groups of cells.

    The impact of the set :math:`P` on the unit :math:`u` in the cell :math:`c` is the mean of the attributions of its
    genes, :math:`I_{cuP} = \frac{1}{|P|} \sum_{g \in P} a_{cug}`, and the difference is

    .. math:: D_{uP} = \mathrm{mean}_\mathrm{target} I_{cuP} - \mathrm{mean}_\mathrm{reference} I_{cuP},

    which is positive if the genes of the set raise the unit more in the target. (Kinalis et al., BMC Bioinformatics 20,
    2019, use the opposite sign.) Two tests are made, and a finding needs both: `pval_both` is the larger of the two
    p-values, as in an intersection-union test (Berger, Technometrics 24, 1982).

    - Does the difference exceed that of other gene sets? `zscore` and `pval` compare it with random sets of equally
      many genes with similar expression, as in :func:`scpi.tl.gene_set_impact`.
    - Does it exceed the variation between cells, or donors? With `donor_key`, the impacts are averaged over the cells
      of each donor and group, and donors are compared by a t-test with the degrees of freedom of the donors. Its
      variance is moderated over the sets and units (Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004). The comparison is
      within donors if at least half of them are in both groups. The labels of the donors are permuted as well. Without
      `donor_key`, cells are treated as independent. As cells of one donor are correlated, these p-values are too small.

    Integrated gradients start at the mean of all compared cells. They therefore measure a difference in expression,
    multiplied by the slope of the unit along it. Plain gradients see only a difference in slopes.

    Parameters
    ----------
    %(data)s
    model
        Trained model: one of scpi with latent units, or SCVI, LinearSCVI or SCANVI of scvi-tools.
    groupby
        Column of `adata.obs` with the group of each cell; cells without a label are left out.
    target
        Group whose impacts count as positive.
    reference
        Group to compare with, or `"rest"` for all other cells.
    method
        Attribution method, one of :func:`scpi.attribution.methods`.
    baseline
        Baseline that cells are compared with, for methods that need one: `"mean"` of all cells, `"zero"`, `"cells"`, or
        an array of genes, as in :func:`scpi.attribution.attribute_groups`. If `None`, that of the method.
    donor_key
        Column of `adata.obs` with the donor, or another replicate.
    gene_sets_key
        Entry of `adata.varm` with the gene sets, as written by :func:`scpi.tl.gene_sets`.
    units
        Units to compare, by name; all if `None`.
    layer
        Entry of `adata.layers` with the expression by which genes are matched, as in :func:`scpi.tl.gene_set_impact`.
    n_bins
        Number of bins of mean expression, with equally many genes each.
    min_size, max_size
        Sets with fewer or more measured genes are left out.
    min_cells
        Minimum number of cells per group. With donors, minimum number of cells of a donor in a group; donors with fewer
        are left out there.
    n_cells
        Maximum number of cells per group, or per donor in a group, drawn at random; all if `None`.
    n_bootstrap
        Number of bootstrap samples of the cells for the interval without donors; 0 for no interval.
    rng
        Seed or random number generator.
    %(stored_key_added)s
    **options
        Options of the attribution method.

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following field:

    `adata.uns['impact_contrast' | key_added]` : :class:`dict`
        `units` and `sets`, their names; `size`, the number of genes of each set; `params`; and the following, units x
        sets. P-values are two-sided and adjusted over units and sets (Benjamini-Hochberg).

        - `difference`, and its 95 % interval `ci_low` to `ci_high`, from the bootstrap of the cells or the t-test of
          the donors.
        - `zscore`, `pval` and `pval_adj`, against random sets.
        - `t`, `pval_groups` and `pval_groups_adj`, between cells or donors.
        - `pval_permuted`, with donors: the fraction of at most 4,096 permutations of their labels that give as large a
          difference. It cannot be small with few donors.
        - `pval_both` and `pval_both_adj`, the larger of `pval` and `pval_groups`.

    Raises
    ------
    KeyError
        If a column, the gene sets or the layer does not exist.
    TypeError
        If the model has no latent units that can be explained, or the method has no such option.
    ValueError
        If the model was trained on other genes, a group is missing or too small, a group has fewer than two donors, or
        a number is out of range.

    Warns
    -----
    UserWarning
        If no donors are given, as cells are not independent.

    Examples
    --------
    >>> import scvi
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(200, 100, 2, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.obs["state"] = (adata.obsm["programs"].iloc[:, 0] > 0).map({True: "on", False: "off"})
    >>> adata.obs["donor"] = list("abcd") * 50
    >>> scvi.model.LinearSCVI.setup_anndata(adata)
    >>> model = scvi.model.LinearSCVI(adata, n_latent=2)
    >>> model.train(1, accelerator="cpu", enable_progress_bar=False)
    >>> scpi.tl.impact_contrast(adata, model, "state", target="on", reference="off", donor_key="donor")
    >>> adata.uns["impact_contrast"]["difference"].shape
    (2, 2)
    """
    key_added = Key.uns.IMPACT_CONTRAST if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    check_numbers(n_bins=n_bins, min_size=min_size, min_cells=min_cells, n_cells=n_cells)
    if n_bootstrap < 0:
        msg = f"`n_bootstrap` must be at least 0, but is {n_bootstrap}."
        raise ValueError(msg)
    if isinstance(baseline, str) and baseline == _REST:
        msg = "The baseline of a contrast must be the same for both groups: 'mean', 'zero', 'cells' or an array."
        raise ValueError(msg)
    generator = as_generator(rng)
    side = _sides(view.labels(groupby), groupby, target, reference, min_cells)
    if donor_key is None:
        samples = _Samples(side, np.array([True, False]), None)
    else:
        samples = _of_donors(side, view.labels(donor_key), donor_key, min_cells)
    chosen = choose_sets(view.adata, gene_sets_key, layer=layer, n_bins=n_bins, min_size=min_size, max_size=max_size)
    explained = attribution_target(model, "latent")
    names = np.array([str(name) for name in explained.names], dtype=object)
    places = find_units(units, names)
    x, _ = expression_of_model(view, model)
    if donor_key is None:
        warn_user(
            "Without `donor_key` every cell counts as a replicate, but cells of one donor are alike: `pval_groups` and "
            "the interval tell whether these cells differ, not whether other donors would. Give the column of the donors."
        )
    batches = attribute_batches(
        explained,
        x,
        _capped(samples.codes, n_cells, generator),
        outputs=list(places),
        method=method,
        baseline=baseline,
        device=getattr(model, "device", None),
        rng=int(generator.integers(2**31)),
        **options,
    )
    shape = (len(samples.is_target), len(places))
    means = sample_means(batches, shape, chosen.membership, n_bootstrap=0 if donor_key else n_bootstrap, rng=generator)
    if donor_key is None:
        test = between_cells(means)
    else:
        test = between_donors(means.sets, samples.is_target, samples.donors, generator)
    of_genes = (means.genes[samples.is_target].mean(axis=0) - means.genes[~samples.is_target].mean(axis=0)).T
    null, impact = matched_null(of_genes, chosen.membership, chosen.bins), set_means(of_genes, chosen.membership)
    pval = null.pval(impact)
    both = np.maximum(pval, test.pval)
    result, written = view.output(copy)
    written.uns[key_added] = {
        "params": result_params(
            groupby=groupby,
            target=target,
            reference=reference,
            method=method,
            baseline=baseline if isinstance(baseline, str) else None,
            model=type(model).__name__,
            donor_key=donor_key,
            test="welch" if donor_key is None else "moderated t",
            paired=samples.donors is not None,
            n_samples=len(samples.is_target),
            n_cells_target=int(means.n_cells[samples.is_target].sum()),
            n_cells_reference=int(means.n_cells[~samples.is_target].sum()),
            gene_sets_key=gene_sets_key,
            layer=layer,
            corr_method="benjamini-hochberg",
            **{name: value for name, value in options.items() if isinstance(value, str | int | float)},
        ),
        "units": names[places],
        "sets": chosen.names,
        "size": chosen.sizes,
        "difference": test.difference,
        "ci_low": test.low,
        "ci_high": test.high,
        "zscore": null.zscore(impact),
        "pval": pval,
        "pval_adj": false_discovery_control(pval, axis=None),
        "t": test.t,
        "pval_groups": test.pval,
        "pval_groups_adj": false_discovery_control(test.pval, axis=None),
        "pval_both": both,
        "pval_both_adj": false_discovery_control(both, axis=None),
        **({} if test.permuted is None else {"pval_permuted": test.permuted}),
    }
    return result


def _sides(labels: pd.Categorical, groupby: str, target: str, reference: str, min_cells: int) -> NDArray[np.intp]:
    """Code cells of the target as 0, those of the reference as 1, and others as -1."""
    known = [str(name) for name in labels.categories]
    missing = [name for name in dict.fromkeys((target, reference)) if name not in known and name != _REST]
    if missing or target not in known:
        msg = f"`obs[{groupby!r}]` has no group {listed(missing or [target])}, only {listed(known)}."
        raise ValueError(msg)
    if target == reference:
        msg = f"`target` and `reference` are both {target!r}: a group cannot be compared with itself."
        raise ValueError(msg)
    side = np.full(len(labels.codes), -1, dtype=np.intp)
    side[(labels.codes >= 0) if reference not in known else labels.codes == known.index(reference)] = 1
    side[labels.codes == known.index(target)] = 0
    n = np.bincount(side[side >= 0], minlength=2)
    if n.min() < max(min_cells, 2):
        msg = (
            f"Both groups need at least {max(min_cells, 2)} cells, but {target!r} has {n[0]} and {reference!r} {n[1]}."
        )
        raise ValueError(msg)
    return side


def _of_donors(side: NDArray[np.intp], labels: pd.Categorical, donor_key: str, min_cells: int) -> _Samples:
    """Make one sample per donor and group, and decide whether the comparison is within donors."""
    n_donors = len(labels.categories)
    inside = (side >= 0) & (labels.codes >= 0)
    table = np.zeros((2, n_donors), dtype=np.int64)
    np.add.at(table, (side[inside], labels.codes[inside]), 1)
    enough = table >= min_cells
    small = [str(labels.categories[i]) for i in np.flatnonzero(((table > 0) & ~enough).any(axis=0))]
    if small:
        logger.warning("Donors with fewer than %d cells in a group are left out of it: %s.", min_cells, listed(small))
    in_both, in_any = enough.all(axis=0), enough.any(axis=0)
    paired = in_both.sum() >= _FEWEST_DONORS and 2 * in_both.sum() >= in_any.sum()
    used = enough & (in_both if paired else True)
    if used.sum(axis=1).min() < _FEWEST_DONORS:
        msg = (
            f"A comparison of donors needs at least {_FEWEST_DONORS} of them in each group, but of those with {min_cells} "
            f"cells or more `obs[{donor_key!r}]` has {used[0].sum()} in the target and {used[1].sum()} in the reference."
        )
        raise ValueError(msg)
    sides, donors = np.nonzero(used)
    place = np.full((2, n_donors), -1, dtype=np.intp)
    place[sides, donors] = np.arange(len(sides))
    codes = np.where(inside, place[np.maximum(side, 0), labels.codes], -1)
    return _Samples(codes, sides == 0, np.unique(donors, return_inverse=True)[1] if paired else None)


def _capped(codes: NDArray[np.intp], n: int | None, rng: np.random.Generator) -> NDArray[np.intp]:
    """Keep at most `n` cells of each sample, and leave out the others."""
    if n is None:
        return codes
    kept = np.full(len(codes), -1, dtype=np.intp)
    for sample in range(int(codes.max()) + 1):
        cells = np.flatnonzero(codes == sample)
        kept[cells if len(cells) <= n else rng.choice(cells, n, replace=False)] = sample
    return kept
