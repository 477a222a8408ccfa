from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from pandas.api.types import is_float_dtype
from scipy.optimize import linear_sum_assignment

from scpi._docs import fill
from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._saliency import LOWERED, read_saliency, read_units
from scpi._sequence import as_list
from scpi._slots import listed, read_result, result_params
from scpi._view import View
from scpi.tl._gene_set_impact import check_numbers
from scpi.tl._impact._unit_labels import label_auroc, label_information
from scpi.tl._impact._unit_names import distinctions, unit_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

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
    n_genes: int = 10,
    obs_keys: str | Sequence[str] | None = None,
    use_rep: str = "X_scpi",
    key: str = Key.uns.GENE_SET_IMPACT,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Name each latent unit by the gene set that it stands for, and by the labels of cells that it follows.

    Only sets whose impact on the unit is significant can name it. The sign does not matter: a unit may grow as the genes
    of a set fall, and which way a unit points is a matter of the training seed. Units of the same set share its name, and
    what tells them apart is added: the labels that they follow, or else their own genes.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.gene_set_impact` has been run on it.
    how
        `"best"`: each unit gets the set of the largest absolute score; several may get the same. `"one_to_one"`: no two
        units get the same set, and the total of the absolute scores is maximal (Kuhn, Nav. Res. Logist. Q. 2, 1955). A
        program that is split over several units then names one of them, and the others get sets that fit them less:
        their `margin` is below 0. Use it where each set is known to be one unit.
    by
        Score: `"zscore"`, or `"specificity"`, which passes over sets that move all units.
    pval_cutoff
        Largest adjusted p-value of a set that can name a unit.
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
        it, and in brackets what tells the unit from others of the same set; `"no set"` and its strongest genes where no set is significant. `sets`, the set alone,
        empty where there is none, and `apart`, what stands in the brackets; `zscore` and `pval_adj` of that set on that
        unit (of the best set where there is none); `margin`, by how much its absolute score is above that of the next
        best set on the unit (below 0 where another unit took a better one; NaN where there is no other set); `genes`,
        the members that drive it: those of the largest saliency in the direction of the z-score, first the largest, with
        semicolons between them; empty for the statistic of single cells, `"median"`, and for those of a group. And
        `params`.

        With `obs_keys`: `labels` of all columns, as `column: label`; `auroc`, units x labels: the probability that a
        cell of the label has a higher value than another cell, 0.5 by chance and below where the unit is low;
        `information`, units x `obs_keys`: what the unit says about the column, in bits, 0 by chance; `follows_auroc`, the
        AUROC that is furthest from 0.5, and `follows`, its label, with a minus before it where the unit is low; empty
        where the distance is less than 0.2. Cells of a sample are no replicates: no p-value is given.

    Raises
    ------
    KeyError
        If there are no impacts, the gene sets or saliencies that they came from are gone, or there is no such column
        or entry of `obsm`.
    ValueError
        If a word is unknown, a number is out of its range, the impacts do not fit the saliencies, the activities are
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
    check_numbers(n_genes=n_genes)
    stored = read_result(adata, key, tool=Key.uns.GENE_SET_IMPACT, part="zscore")
    names = np.array([str(name) for name in stored["sets"]], dtype=object)
    units = np.array([str(name) for name in stored["units"]], dtype=object)
    z, adjusted = np.asarray(stored["zscore"]), np.asarray(stored["pval_adj"])
    score = np.abs(np.asarray(stored[by]))
    found = match_units(np.where(adjusted <= pval_cutoff, score, 0.0), one_to_one=how == "one_to_one")
    shown = np.where(found >= 0, found, score.argmax(axis=1))
    rows = np.arange(len(units))
    sets = [str(names[i]) if i >= 0 else "" for i in found]
    saliency = _saliency_of(adata, stored, units)
    labelled = {} if obs_keys is None else _compare_labels(view, as_list(obs_keys), use_rep, key, units)
    along = None if saliency is None else saliency * np.where(z[rows, shown] < 0, -1.0, 1.0)
    follows = [str(label) for label in labelled.get("follows", [""] * len(units))]
    signed = [
        LOWERED + name if name and lowers else name for name, lowers in zip(sets, z[rows, shown] < 0, strict=True)
    ]
    apart = distinctions(sets, follows, saliency, adata.var_names.to_numpy().astype(str))
    annotation = {
        "params": result_params(how=how, by=by, pval_cutoff=pval_cutoff, key=key),
        "units": units,
        "names": np.array(unit_names(units.tolist(), signed, apart), dtype=object),
        "sets": np.array(sets, dtype=object),
        "apart": np.array(apart, dtype=object),
        "zscore": z[rows, shown],
        "pval_adj": adjusted[rows, shown],
        "margin": _margins(score, shown),
        "genes": _driving_genes(adata, str(stored["params"]["gene_sets_key"]), along, sets, n_genes),
        **labelled,
    }
    result, target = view.output(copy)
    target.uns[key_added] = annotation
    return result


def match_units(score: NDArray[np.float64], *, one_to_one: bool) -> NDArray[np.intp]:
    """Set of each unit by scores of units x sets, -1 where there is none with a score above 0."""
    found = np.full(len(score), -1, dtype=np.intp)
    if one_to_one:
        rows, columns = linear_sum_assignment(score, maximize=True)
    else:
        rows, columns = np.arange(len(score)), score.argmax(axis=1)
    found[rows] = np.where(score[rows, columns] > 0, columns, -1)
    return found


def _margins(score: NDArray[np.float64], chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    """Score of the chosen set of each unit less that of the best of the others."""
    rows = np.arange(len(score))
    if score.shape[1] == 1:
        return np.full(len(score), np.nan)
    others = score.copy()
    others[rows, chosen] = -np.inf
    return np.asarray(score[rows, chosen] - others.max(axis=1))


def _saliency_of(adata: AnnData, stored: Mapping[str, Any], units: NDArray[np.object_]) -> NDArray[np.float64] | None:
    """Saliencies that the impacts are of, genes x units; `None` if there are none.

    The statistic of single cells leaves no saliency behind; that of a group stands elsewhere.
    """
    params = stored["params"]
    if "key" not in params or "group" in params:
        return None
    scores, known = read_saliency(adata, str(params["key"]))
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
    return label if auroc > 0.5 else f"\N{MINUS SIGN} {label}"


def _driving_genes(
    adata: AnnData, sets_key: str, along: NDArray[np.float64] | None, names: Sequence[str], n: int
) -> NDArray[np.object_]:
    """Members of the set of each unit with the largest saliency in the direction of the z-score."""
    listing = np.full(len(names), "", dtype=object)
    if along is None:
        return listing
    membership, sets = read_gene_sets(adata, sets_key)
    by_set, genes = membership.tocsc(), adata.var_names.to_numpy().astype(str)
    column = {name: i for i, name in enumerate(sets)}
    for i, name in enumerate(names):
        if name != "":
            members = by_set[:, column[name]].indices
            order = np.argsort(-along[members, i], kind="stable")[:n]
            listing[i] = ";".join(genes[members[order[along[members[order], i] > 0]]])
    return listing
