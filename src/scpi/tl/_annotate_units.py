from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.optimize import linear_sum_assignment

from scpi._docs import fill
from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._saliency import read_saliency
from scpi._slots import listed, read_result, result_params
from scpi._view import View
from scpi.tl._gene_set_impact import check_numbers

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

How = Literal["one_to_one", "best"]
By = Literal["zscore", "specificity"]


@fill
def annotate_units(
    data: AnnData | MuData,
    *,
    how: How = "one_to_one",
    by: By = "zscore",
    pval_cutoff: float = 0.05,
    n_genes: int = 10,
    key: str = Key.uns.GENE_SET_IMPACT,
    key_added: str = Key.uns.UNIT_ANNOTATION,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Name the gene set that each latent unit stands for.

    Only sets whose impact on the unit is significant can name it. The sign does not matter: a unit may grow as the genes
    of a set fall, and which way a unit points is a matter of the training seed.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.gene_set_impact` has been run on it.
    how
        `"one_to_one"`: no two units get the same set, and the total of the absolute scores is as large as can be (Kuhn,
        Nav. Res. Logist. Q. 2, 1955). `"best"`: each unit gets the set of the largest absolute score; several may get
        the same.
    by
        Score: `"zscore"`, or `"specificity"`, which passes over sets that move all units.
    pval_cutoff
        Largest adjusted p-value of a set that can name a unit.
    n_genes
        Most genes to list for each unit.
    key
        Entry of `adata.uns` with the impacts.
    %(written_key_added)s

    `adata.uns['unit_annotation' | key_added]` : :class:`dict`
        For each of the `units`: `sets`, the name of its set, empty where there is none; `zscore` and `pval_adj` of that
        set on that unit (of the best set where there is none); `margin`, by how much its absolute score is above that of
        the next best set on the unit (below 0 where another unit took a better one; NaN where there is no other set);
        `genes`, the members that drive it: those of the largest saliency in the direction of the z-score, first the
        largest, with semicolons between them; empty for the statistic of single cells, `"median"`, and for those of a
        group. And `params`.

    Raises
    ------
    KeyError
        If there are no impacts, or the gene sets or saliencies that they came from are gone.
    ValueError
        If a word is unknown, a number is out of its range, or the impacts do not fit the saliencies.

    Examples
    --------
    >>> import numpy as np
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(300, 200, 2, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.varm["saliency"] = adata.varm["programs"] + np.random.default_rng(0).normal(size=(200, 2))
    >>> scpi.tl.gene_set_impact(adata)
    >>> scpi.tl.annotate_units(adata)
    >>> adata.uns["unit_annotation"]["sets"].tolist() == adata.varm["programs"].columns.tolist()
    True
    """
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
    annotation = {
        "params": result_params(how=how, by=by, pval_cutoff=pval_cutoff, key=key),
        "units": units,
        "sets": np.where(found >= 0, names[found], "").astype(object),
        "zscore": z[rows, shown],
        "pval_adj": adjusted[rows, shown],
        "margin": _margins(score, shown),
        "genes": _driving_genes(adata, stored, units, z[rows, shown], np.where(found >= 0, names[found], ""), n_genes),
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


def _driving_genes(
    adata: AnnData,
    stored: object,
    units: NDArray[np.object_],
    z: NDArray[np.float64],
    names: NDArray[np.object_],
    n: int,
) -> NDArray[np.object_]:
    """Members of the set of each unit with the largest saliency in the direction of the z-score."""
    params = stored["params"]  # type: ignore[index]
    empty = np.full(len(units), "", dtype=object)
    if "key" not in params or "group" in params:
        # The statistic of single cells leaves no saliency behind; that of a group stands elsewhere
        return empty
    scores, known = read_saliency(adata, str(params["key"]))
    place = {str(name): i for i, name in enumerate(known)}
    missing = [unit for unit in units if unit not in place]
    if missing:
        msg = (
            f"The saliencies `adata.varm[{str(params['key'])!r}]` have no unit {listed(missing)} any more: call "
            "`scpi.tl.gene_set_impact` again."
        )
        raise ValueError(msg)
    membership, sets = read_gene_sets(adata, str(params["sets"]))
    by_set, genes = membership.tocsc(), adata.var_names.to_numpy().astype(str)
    column = {name: i for i, name in enumerate(sets)}
    for i, (unit, name) in enumerate(zip(units, names, strict=True)):
        if name == "":
            continue
        members = by_set[:, column[name]].indices
        along = np.sign(z[i]) * scores[members, place[unit]]
        order = np.argsort(-along, kind="stable")[:n]
        empty[i] = ";".join(genes[members[order[along[order] > 0]]])
    return empty
