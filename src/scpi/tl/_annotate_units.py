from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from pandas.api.types import is_float_dtype

from scpi._docs import fill
from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._saliency import LOWERED, read_units
from scpi._sequence import as_list
from scpi._slots import listed, read_result, result_params
from scpi._view import View
from scpi.tl._gene_set_impact import check_numbers, read_scores
from scpi.tl._impact._unit_labels import label_auroc, label_information
from scpi.tl._impact._unit_names import distinctions, unit_names
from scpi.tl._impact._unit_sets import candidates, choose_in_turn, leading_pval, mostly_lowering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy import sparse

    from scpi.tl._impact._unit_sets import Candidates

How = Literal["best", "one_to_one"]
By = Literal["zscore", "specificity"]

_FOLLOWS = 0.2
"""How far from one half the AUROC of a label is that a unit is said to follow."""


@fill
def annotate_units(
    data: AnnData | MuData,
    *,
    how: How = "best",
    by: By = "zscore",
    pval_cutoff: float = 0.05,
    non_negative: bool | None = None,
    n_leading: int | None = 20,
    n_genes: int = 10,
    obs_keys: str | Sequence[str] | None = None,
    use_rep: str = "X_scpi",
    key: str = Key.uns.GENE_SET_IMPACT,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Name each latent unit by the gene set that it stands for, and by the labels of cells that it follows.

    A set can name a unit if it passes two tests: its impact is significant, and it has more of the leading genes of the
    unit than chance. A unit that cannot be negative, as those of :class:`scpi.model.GeneProgramAE`, is what it raises
    when it is on: it is named by a set that it raises, and by one that it lowers only if there is none, or if what it
    lowers is by far the most that it does: a score at least three times that of any set that it raises. Units of other
    models have both signs, and which way they point is a matter of the training seed: they are named by the set of the
    largest score, whether they raise or lower it. Units of the same set share its name, and what tells them apart is
    added: the labels that they follow, or else their own genes.

    The p-value of a set is the larger of those of both tests: that of the impact, which counts both directions, and the
    hypergeometric one of the leading genes in the direction of the impact. It is adjusted over all units and sets
    (Benjamini-Hochberg). Where units cannot be negative, this is done for the sets that are raised and for those that
    are lowered separately, so that a direction borrows no significance from the other.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.gene_set_impact` has been run on it.
    how
        `"best"`: each unit gets the set of the largest absolute score; several may get the same. `"one_to_one"`: no two
        units get the same set, and the total of the absolute scores is maximal (Kuhn, Nav. Res. Logist. Q. 2, 1955). A
        program that is split over several units then names one of them, and the others get sets that fit them less:
        their `margin` is below 0. Where units cannot be negative, sets that are raised go first. Use it where each set is
        known to be one unit.
    by
        Score: `"zscore"`, or `"specificity"`, which passes over sets that move all units.
    pval_cutoff
        Largest adjusted p-value of a set that can name a unit.
    non_negative
        Whether units cannot be negative. If `None`, what the model said of them to :func:`scpi.tl.saliency`. Set it for
        scores that were stored by hand, such as loadings of a non-negative factorisation.
    n_leading
        Number of leading genes of a unit: those that it changes most in the direction of a set. For a set that is lowered
        by a unit that cannot be negative, they are those that it changes most in either direction. The impact alone is
        tested if `None`, and by the statistic `"median"`, which has no scores of genes. A panel of few genes needs a
        smaller number.
    n_genes
        Most genes to list for each unit.
    obs_keys
        Columns of `adata.obs` with labels of cells, such as cell types, conditions or batches, to compare with the
        units.
    use_rep
        Entry of `adata.obsm` with the activity of the units, cells x units, to compare with the labels.
    key
        Entry of `adata.uns` with the impacts.
    %(written_key_added)s

    `adata.uns['unit_annotation' | key_added]` : :class:`dict`
        For each of the `units`: `names`, different for all units: the set, with a minus before it where the unit lowers
        it, and in brackets what tells the unit from others of the same set, or what a unit that cannot be negative is
        where it is named by a set that it lowers; `"no set"` and its strongest genes where no set is significant.
        `sets`, the set alone, empty where there is none, and `apart`, what stands in the brackets; `zscore` of that set on
        that unit, and `pval_adj`, the adjusted p-value described above (of the best set where there is none); `margin`,
        by how much its absolute score is above that of the next best set on the unit, of the same direction where the unit
        cannot be negative (below 0 where a better one has too few leading genes, or names another unit; NaN where there is
        no other set); `genes`, the members that drive it: those of the largest saliency in the direction of the z-score,
        first the largest, with semicolons between them; empty for the statistic of single cells, `"median"`. For every
        unit, whatever its name, `raised` and `lowered`, the best set of either direction, significant or not, with
        `raised_zscore`, `raised_pval_adj`, `lowered_zscore` and `lowered_pval_adj`, adjusted over the sets of the
        direction. And `params`.

        With `obs_keys`: `labels` of all columns, as `column: label`; `auroc`, units x labels: the probability that a
        cell of the label has a higher value than another cell, 0.5 by chance and below where the unit is low;
        `information`, units x `obs_keys`: what the unit says about the column, in bits, 0 by chance; `follows_auroc`, the
        AUROC that is furthest from 0.5, and `follows`, its label, with "lower in" before it where the AUROC is below 0.5;
        empty where the distance is less than 0.2. Cells of a sample are no replicates: no p-value is given.

    Raises
    ------
    KeyError
        If there are no impacts, the gene sets or saliencies that they came from are gone, or there is no such column
        or entry of `obsm`.
    ValueError
        If a word is unknown, a number is out of its range, the impacts do not fit the saliencies or sets, the activities are
        of other units, or a column holds numbers instead of labels.

    Examples
    --------
    >>> import numpy as np
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(300, 200, 2, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.varm["saliency"] = adata.varm["programs"] + np.random.default_rng(0).normal(size=(200, 2))
    >>> scpi.tl.gene_set_impact(adata)
    >>> scpi.tl.annotate_units(adata)
    >>> adata.uns["unit_annotation"]["names"].tolist() == adata.varm["programs"].columns.tolist()
    True
    """
    key_added = Key.uns.UNIT_ANNOTATION if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    adata = view.adata
    for name, value, known in (("how", how, get_args(How)), ("by", by, get_args(By))):
        if value not in known:
            msg = f"`{name}` must be one of {listed(known)}, but is {value!r}."
            raise ValueError(msg)
    if not 0.0 < pval_cutoff <= 1.0:
        msg = f"`pval_cutoff` must be above 0 and at most 1, but is {pval_cutoff}."
        raise ValueError(msg)
    check_numbers(n_genes=n_genes, n_leading=n_leading)
    stored = read_result(adata, key, tool=Key.uns.GENE_SET_IMPACT, part="zscore")
    names = np.array([str(name) for name in stored["sets"]], dtype=object)
    units = np.array([str(name) for name in stored["units"]], dtype=object)
    z, pval = np.asarray(stored["zscore"]), np.asarray(stored["pval"])
    if non_negative is None:
        non_negative = bool(stored["params"].get("non_negative", False))
    saliency = _saliency_of(adata, stored, units)
    membership = _members(adata, str(stored["params"]["gene_sets_key"]), names)
    if saliency is not None and n_leading is not None:
        pval = np.maximum(pval, leading_pval(saliency, membership, z, n_leading, non_negative=non_negative))
    score = np.asarray(stored[by])
    raised, lowered = (candidates(score, z, pval, sign) for sign in (1, -1))
    sides = naming = [candidates(score, z, pval)]
    if non_negative:
        # A unit whose set that it lowers names another unit is left for the last turn
        sides = [raised, lowered, raised]
        naming = [raised.without(mostly_lowering(raised, lowered, pval_cutoff)), lowered, raised]
    found, of_side = choose_in_turn(naming, pval_cutoff, one_to_one=how == "one_to_one")
    shown = np.where(found >= 0, found, sides[0].best(pval_cutoff))
    rows = np.arange(len(units))
    sets = [str(names[i]) if i >= 0 else "" for i in found]
    lowers = z[rows, shown] < 0
    labelled = {} if obs_keys is None else _compare_labels(view, as_list(obs_keys), use_rep, key, units)
    genes = adata.var_names.to_numpy().astype(str)
    follows = [str(label) for label in labelled.get("follows", [""] * len(units))]
    signed = [LOWERED + name if name and lower else name for name, lower in zip(sets, lowers, strict=True)]
    # A unit that cannot be negative is what it raises, and not what it lowers
    own = np.maximum(saliency, 0.0) if saliency is not None and non_negative else saliency
    apart = distinctions(sets, follows, own, genes, lowers & non_negative)
    along = None if saliency is None else saliency * np.where(lowers, -1.0, 1.0)
    annotation = {
        "params": result_params(
            how=how, by=by, pval_cutoff=pval_cutoff, non_negative=non_negative, n_leading=n_leading, key=key
        ),
        "units": units,
        "names": np.array(unit_names(units.tolist(), signed, apart), dtype=object),
        "sets": np.array(sets, dtype=object),
        "apart": np.array(apart, dtype=object),
        "zscore": z[rows, shown],
        "pval_adj": np.stack([side.pval_adj for side in sides])[of_side, rows, shown],
        "margin": np.stack([side.margin(shown) for side in sides])[of_side, rows],
        "genes": _driving_genes(membership, along, found, genes, n_genes),
        **_best_of_side("raised", raised, names, z, pval_cutoff),
        **_best_of_side("lowered", lowered, names, z, pval_cutoff),
        **labelled,
    }
    result, target = view.output(copy)
    target.uns[key_added] = annotation
    return result


def _best_of_side(
    name: str, side: Candidates, names: NDArray[np.object_], z: NDArray[np.float64], pval_cutoff: float
) -> dict[str, NDArray[Any]]:
    """Best set of one direction for each unit, significant or not."""
    best, rows = side.best(pval_cutoff), np.arange(len(z))
    return {name: names[best], f"{name}_zscore": z[rows, best], f"{name}_pval_adj": side.pval_adj[rows, best]}


def _members(adata: AnnData, key: str, names: NDArray[np.object_]) -> sparse.csr_matrix:
    """Members of the sets of these names, genes x sets."""
    membership, known = read_gene_sets(adata, key)
    place = {str(name): i for i, name in enumerate(known)}
    missing = [name for name in names if name not in place]
    if missing:
        msg = f"`adata.varm[{key!r}]` has no gene set {listed(missing)} any more: call `scpi.tl.gene_set_impact` again."
        raise ValueError(msg)
    return membership[:, [place[name] for name in names]].tocsr()


def _saliency_of(adata: AnnData, stored: Mapping[str, Any], units: NDArray[np.object_]) -> NDArray[np.float64] | None:
    """Saliencies that the impacts are of, genes x units; `None` if there are none.

    The statistic of single cells leaves no saliency behind.
    """
    params = stored["params"]
    if "key" not in params:
        return None
    scores, known = read_scores(adata, str(params["key"]), params.get("group"))
    where = f"The saliencies `adata.varm[{str(params['key'])!r}]` have"
    return _columns_of(units, scores, known, where, " any more: call `scpi.tl.gene_set_impact` again.")


def _columns_of(
    units: NDArray[np.object_], values: NDArray[np.float64], names: NDArray[np.object_], where: str, remedy: str
) -> NDArray[np.float64]:
    """Columns of the units, by their names; an error says ``where`` some are missing."""
    place = {str(name): i for i, name in enumerate(names)}
    missing = [unit for unit in units if unit not in place]
    if missing:
        msg = f"{where} no unit {listed(missing)}{remedy}"
        raise ValueError(msg)
    return values[:, [place[unit] for unit in units]]


def _compare_labels(
    view: View, obs_keys: Sequence[str], use_rep: str, key: str, units: NDArray[np.object_]
) -> dict[str, NDArray[Any]]:
    values, names = read_units(view.adata, use_rep, str(view.adata.uns[key]["params"].get("key", Key.varm.SALIENCY)))
    remedy = f", only {listed(names)}: it must hold the activity of the units whose impacts were computed."
    values = _columns_of(units, values, names, f"`adata.obsm[{use_rep!r}]` has", remedy)
    numbers = [name for name, column in view.columns(obs_keys, "obs_keys").items() if is_float_dtype(column)]
    if numbers:
        msg = f"`obs[{numbers[0]!r}]` holds numbers, not labels: cut it into ranges first, such as with `pandas.cut`."
        raise ValueError(msg)
    columns = {name: view.labels(name) for name in obs_keys}
    labels = [f"{name}: {label}" for name, column in columns.items() for label in column.categories]
    codes = [(column.codes.astype(np.intp), len(column.categories)) for column in columns.values()]
    auroc = np.concatenate([label_auroc(values, *column) for column in codes], axis=1)
    best = [_furthest(row) for row in auroc]
    of_best = auroc[np.arange(len(auroc)), best]
    followed = [_followed(area, labels[label]) for area, label in zip(of_best, best, strict=True)]
    return {
        "labels": np.array(labels, dtype=object),
        "auroc": auroc,
        "obs_keys": np.array(list(columns), dtype=object),
        "information": np.column_stack([label_information(values, *column) for column in codes]),
        "follows": np.array(followed, dtype=object),
        "follows_auroc": of_best,
    }


def _furthest(auroc: NDArray[np.float64]) -> int:
    """Label whose area is furthest from one half; of two that are as far, that in which the unit is high."""
    distance = np.nan_to_num(np.abs(auroc - 0.5))
    furthest = np.flatnonzero(distance >= distance.max() - 1e-9)
    return int(furthest[np.nan_to_num(auroc[furthest]).argmax()])


def _followed(auroc: float, label: str) -> str:
    if not abs(auroc - 0.5) >= _FOLLOWS:
        return ""
    return label if auroc > 0.5 else f"lower in {label}"


def _driving_genes(
    membership: sparse.csr_matrix,
    along: NDArray[np.float64] | None,
    found: NDArray[np.intp],
    genes: NDArray[np.str_],
    n: int,
) -> NDArray[np.object_]:
    """Members of the set of each unit with the largest saliency in the direction of the z-score."""
    listing = np.full(len(found), "", dtype=object)
    if along is None:
        return listing
    by_set = membership.tocsc()
    for i in np.flatnonzero(found >= 0):
        members = by_set[:, found[i]].indices
        order = np.argsort(-along[members, i], kind="stable")[:n]
        listing[i] = ";".join(genes[members[order[along[members[order], i] > 0]]])
    return listing
