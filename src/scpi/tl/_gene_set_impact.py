from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from scpi._docs import fill
from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._saliency import has_non_negative_units, read_saliency
from scpi._screen._checks import check_values
from scpi._screen._matrix import means
from scpi._settings import settings
from scpi._slots import layer_name, listed, read_layer, result_params
from scpi._view import View
from scpi._warn import warn_user
from scpi.de import false_discovery_control
from scpi.tl._impact._bins import expression_bins
from scpi.tl._impact._median import MedianImpact
from scpi.tl._impact._null import matched_null, permuted_pval, set_means
from scpi.tl._impact._statistics import as_zscore, double_centred, gsea, normal_scores, ulm

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy import sparse

Statistic = Literal["mean", "rank", "median", "ulm", "gsea"]

_N_PERM = {"median": 200, "gsea": 1000}


@dataclass(frozen=True)
class SetsOfGenes:
    """Gene sets that are tested, and genes of similar expression to compare them with."""

    membership: sparse.csr_matrix
    names: NDArray[np.object_]
    bins: NDArray[np.intp]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of genes of each set."""
        return np.asarray(self.membership.sum(axis=0), dtype=np.int64).ravel()


@fill
def gene_set_impact(
    data: AnnData | MuData,
    *,
    statistic: Statistic = "mean",
    key: str = Key.varm.SALIENCY,
    gene_sets_key: str = Key.varm.GENE_SETS,
    model: Any = None,
    method: str = "guided",
    group: str | None = None,
    layer: str | None = None,
    n_bins: int = 25,
    n_permutations: int | None = None,
    min_size: int = 5,
    max_size: int | None = None,
    n_cells: int | None = 100,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    r"""Score how much each gene set moves each latent unit of a model, and whether that is more than chance.

    The impact of the set :math:`P` on the unit :math:`u` is a summary of the saliencies :math:`a_{ug}` of its genes. It
    is compared with random sets of as many genes, each drawn among those of similar mean expression, because genes with
    many counts have other gradients than those with few. The null hypothesis is that the set is such a random set; it
    says nothing of cells or donors, which :func:`scpi.tl.impact_contrast` compares.

    The statistics are

    - `"mean"`: :math:`\frac{1}{|P|} \sum_{g \in P} a_{ug}`, signed. The moments of its null distribution are computed,
      not sampled, and give the p-value (twice the smaller tail of Pearson's type III distribution, or of Student's where
      the kurtosis asks for more);
    - `"rank"`: the mean of the ranks of the genes, as quantiles of the normal distribution, with the same null: no single
      gene decides;
    - `"ulm"`: Student's t in the regression of :math:`a_{ug}` on membership, over all genes, with the p-value of t. Genes
      count as independent and of equal variance, and expression is not matched;
    - `"gsea"`: the normalised enrichment score of GSEA on the ranking of the genes (Subramanian et al., Proc. Natl.
      Acad. Sci. 102, 2005), with its own p-value, by random sets that are not matched and not below
      :math:`1 / (n_\mathrm{perm} + 1)`;
    - `"median"`: the mean over cells of the median over the set of :math:`|a_{cug}|` in a cell (Kinalis et al., BMC
      Bioinformatics 20, 2019), from a model; unsigned. Random matched sets go through the same cells, and their first
      three moments give the p-value.

    Parameters
    ----------
    %(data)s
    statistic
        How the saliencies of a set are summarised.
    key
        Entry of `adata.varm` with the saliency of each gene in each unit, as :func:`scpi.tl.saliency` writes it. Any
        scores of genes will do, such as loadings. Not used by `"median"`.
    gene_sets_key
        Entry of `adata.varm` with the gene sets, as :func:`scpi.tl.gene_sets` writes it.
    model
        Trained model, for `"median"`.
    method
        Attribution of the genes in a cell, for `"median"`: one of :func:`scpi.attribution.methods`.
    group
        Group of cells whose saliencies are taken, where :func:`scpi.tl.saliency` was called with `groupby`; those of all
        cells if `None`.
    layer
        Entry of `adata.layers` with the expression by which genes are matched; that of the saliency, or `adata.X`, if
        `None`.
    n_bins
        Number of bins of equally many genes by mean expression, as in :func:`scanpy.tl.score_genes`; fewer where there
        would be less than 20 genes in each.
    n_permutations
        Number of random sets. For `"mean"` and `"rank"` none are needed; with a number, the p-value is the fraction of them
        that are as extreme, and not below `2 / (n_permutations + 1)`. 200 for `"median"` and 1,000 for `"gsea"` if `None`.
    min_size, max_size
        Sets with fewer or more measured genes are left out.
    n_cells
        Number of random cells for `"median"`, which takes a median for each cell, unit, set and random set: minutes for
        a collection of sets; all if `None`.
    rng
        Seed or generator of what is drawn at random.
    %(written_key_added)s

    `adata.uns['gene_set_impact' | key_added]` : :class:`dict`
        `units` and `sets`, their names; `size`, genes of each set; and units x sets `impact`, the statistic; `zscore`,
        its distance from the mean of the null in standard deviations (for `"ulm"` and `"gsea"` the normal deviate of the
        p-value with the sign of the statistic); `pval`, two-sided; `pval_adj` (Benjamini-Hochberg over units and sets);
        `specificity`, the z-scores less the means of their unit and of their set, so that neither a set that moves all
        units nor a unit that all sets move stands out; and `params`.

    Raises
    ------
    KeyError
        If there is no such saliency, gene sets or layer.
    ValueError
        If the statistic is unknown, no set is within the limits of size, a number is out of its range, or `"median"` has
        no model.

    Examples
    --------
    >>> import numpy as np
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(300, 200, 2, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.varm["saliency"] = adata.varm["programs"] + np.random.default_rng(0).normal(size=(200, 2))
    >>> scpi.tl.gene_set_impact(adata)
    >>> (adata.uns["gene_set_impact"]["zscore"] > 3).tolist()
    [[True, False], [False, True]]
    """
    key_added = Key.uns.GENE_SET_IMPACT if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    adata = view.adata
    if statistic not in get_args(Statistic):
        msg = f"`statistic` must be one of {listed(get_args(Statistic))}, but is {statistic!r}."
        raise ValueError(msg)
    if statistic != "median" and model is not None:
        msg = f"{statistic!r} reads the saliencies in `adata.varm`: leave `model` out, or call `scpi.tl.saliency` with it."
        raise ValueError(msg)
    check_numbers(n_bins=n_bins, min_size=min_size, n_cells=n_cells, n_permutations=n_permutations)
    if statistic == "median" and group is not None:
        msg = "`group` chooses among saliencies in `adata.varm`, which 'median' does not use: give it the cells of the group."
        raise ValueError(msg)
    generator = as_generator(rng)
    # Before the sets, whose errors say less of what to call
    read = None if statistic == "median" else read_scores(adata, key, group)
    layer = _layer_of_saliency(adata, key, layer)
    chosen = choose_sets(adata, gene_sets_key, layer=layer, n_bins=n_bins, min_size=min_size, max_size=max_size)
    draws = _N_PERM.get(statistic) if n_permutations is None else n_permutations
    if read is None:
        impact, z, pval, units, non_negative = _median(view, model, chosen, method, draws, n_cells, generator)
    else:
        scores, units = read
        non_negative = has_non_negative_units(adata, key)
        impact, z, pval = _of_scores(scores, chosen, statistic, draws, generator)
        _warn_of_silence(scores, units)
    result, target = view.output(copy)
    target.uns[key_added] = {
        "params": result_params(
            statistic=statistic,
            key=None if statistic == "median" else key,
            method=method if statistic == "median" else None,
            model=None if model is None else type(model).__name__,
            gene_sets_key=gene_sets_key,
            group=group,
            layer=layer,
            n_bins=int(chosen.bins.max()) + 1,
            n_permutations=draws,
            min_size=min_size,
            max_size=max_size,
            non_negative=non_negative,
            corr_method="benjamini-hochberg",
        ),
        "units": units,
        "sets": chosen.names,
        "size": chosen.sizes,
        "impact": impact,
        "zscore": z,
        "pval": pval,
        "pval_adj": false_discovery_control(pval, axis=None),
        "specificity": double_centred(z),
    }
    return result


def check_numbers(**numbers: float | None) -> None:
    """Numbers that must be at least 1 unless they are `None`, by the names under which they were given."""
    for name, number in numbers.items():
        if number is not None and not number >= 1:
            msg = f"`{name}` must be at least 1, but is {number}."
            raise ValueError(msg)


def choose_sets(
    adata: AnnData, key: str, *, layer: str | None, n_bins: int, min_size: int, max_size: int | None
) -> SetsOfGenes:
    """Gene sets within the limits of size, and bins of the genes by expression."""
    membership, names = read_gene_sets(adata, key)
    sizes = np.asarray(membership.sum(axis=0)).ravel()
    kept = (sizes >= min_size) & (sizes <= (np.inf if max_size is None else max_size))
    if not kept.any():
        limits = f"min_size={min_size}" + ("" if max_size is None else f" and max_size={max_size}")
        msg = f"None of the {len(names)} gene sets is within {limits}: they have {sizes.min()} to {sizes.max()} genes."
        raise ValueError(msg)
    mean = means(check_values(read_layer(adata, layer), name=layer_name(layer), shape="cells x genes"))
    return SetsOfGenes(membership[:, np.flatnonzero(kept)].tocsr(), names[kept], expression_bins(mean, n_bins))


def read_scores(adata: AnnData, key: str, group: str | None) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Scores of genes in units, of all cells or of a group, and the names of the units."""
    if group is None:
        return read_saliency(adata, key)
    stored = adata.uns.get(key)
    groups = [] if not hasattr(stored, "get") else [str(name) for name in stored.get("groups", ())]
    if group not in groups:
        msg = f"There are no saliencies of the group {group!r} under {key!r}, only of {listed(groups)}."
        raise ValueError(msg)
    values = np.asarray(adata.varm[f"{key}_groups"], dtype=np.float64)[:, :, groups.index(group)]
    return values, np.array([str(name) for name in adata.uns[key]["units"]], dtype=object)


def _layer_of_saliency(adata: AnnData, key: str, layer: str | None) -> str | None:
    stored = adata.uns.get(key)
    if layer is not None or not hasattr(stored, "get"):
        return layer
    found = stored.get("params", {}).get("layer")
    return None if found is None else str(found)


def _of_scores(
    scores: NDArray[np.float64],
    chosen: SetsOfGenes,
    statistic: Statistic,
    n_permutations: int | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Statistic, z-score and p-value, units x sets."""
    membership = chosen.membership
    if statistic == "ulm":
        t, pval = ulm(scores, membership)
        return t, as_zscore(t, pval), pval
    if statistic == "gsea":
        score, pval = gsea(
            scores,
            membership,
            n_permutations=int(n_permutations or 1),
            seed=int(rng.integers(2**31)),
            threads=settings.n_jobs,
        )
        return score, as_zscore(score, pval), pval
    summed = normal_scores(scores) if statistic == "rank" else scores
    impact, null = set_means(summed, membership), matched_null(summed, membership, chosen.bins)
    if n_permutations is None:
        pval = null.pval(impact)
    else:
        pval = permuted_pval(summed, membership, chosen.bins, n_permutations=n_permutations, rng=rng)
    return impact, null.zscore(impact), pval


def _median(
    view: View,
    model: Any,
    chosen: SetsOfGenes,
    method: str,
    n_permutations: int | None,
    n_cells: int | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.object_], bool]:
    """Mean over cells of the median over the set, z-score and p-value, units x sets; the units, and whether they are not negative."""
    if model is None:
        msg = "The statistic 'median' is taken in single cells: give the `model` whose units are explained."
        raise ValueError(msg)
    # Needs torch, which the other statistics do without
    from scpi.attribution import attribute_batches
    from scpi.model import attribution_target
    from scpi.tl._gradient_input import expression_of_model

    target = attribution_target(model, "latent")
    x, _ = expression_of_model(view, model)
    if n_cells is not None and n_cells < x.shape[0]:
        x = x[np.sort(rng.choice(x.shape[0], n_cells, replace=False))]
    units = list(range(len(target.names)))
    device, seed = getattr(model, "device", None), int(rng.integers(2**31))
    found = MedianImpact(len(units), chosen.membership, chosen.bins, n_permutations=int(n_permutations or 1), rng=rng)
    for batch in attribute_batches(target, x, method=method, device=device, rng=seed):
        found.add(batch.of_output(unit) for unit in units)
    impact, null = found.result()
    names = np.array([str(name) for name in target.names], dtype=object)
    return impact, null.zscore(impact), null.pval(impact), names, target.non_negative


def _warn_of_silence(scores: NDArray[np.float64], units: NDArray[np.object_]) -> None:
    silent = units[np.ptp(scores, axis=0) == 0]
    if len(silent):
        warn_user(
            f"These units have the same saliency for all genes, as units that have vanished have: {listed(silent)}. No "
            "gene set can have an impact on them (z = 0, p = 1)."
        )
