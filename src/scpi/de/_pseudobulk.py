from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from anndata import AnnData

from scpi._docs import fill
from scpi._keys import Key
from scpi._screen._blocks import sum_cells
from scpi._screen._spellings import merge_spellings
from scpi._sequence import as_list
from scpi._slots import listed
from scpi._view import View
from scpi.de._aggregate import Aggregation, aggregate
from scpi.de._covariates import is_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mudata import MuData
    from numpy.typing import NDArray


@fill
def pseudobulk(
    data: AnnData | MuData,
    *,
    sample_key: str | Sequence[str],
    groupby: str | Sequence[str] | None = None,
    func: Aggregation | Sequence[Aggregation] = "sum",
    layer: str | None = None,
    min_cells: int = 10,
    mod: str | None = None,
) -> AnnData:
    """Sum the counts of the cells of each sample, or aggregate other values.

    Cells of one donor or culture are not independent replicates, but the pseudobulks of different donors are (Squair et
    al., Nat. Commun. 12, 2021).

    Parameters
    ----------
    %(data)s
    sample_key
        Column or columns of `adata.obs` with the sample (donor, culture, plate and well) of each cell.
    groupby
        Column or columns that subdivide the cells of a sample, such as the cell type or the condition.
    func
        `"sum"` of counts, for tests; `"mean"`, `"median"` or `"count_nonzero"` (the number of cells that express a
        gene) of any values, such as log-normalised ones, for figures. As in :func:`scanpy.get.aggregate`.
    %(layer)s
        Without a name, `"sum"` reads ``adata.layers["counts"]`` if ``adata.X`` does not hold counts.
    min_cells
        Minimum number of cells of a sample; smaller samples are excluded.
    %(mod)s

    Returns
    -------
    Samples x genes. With several `func`, the first is in `X`, and each is in the layer of its name. `obs` has the
    columns above, `n_cells`, and all other columns of `adata.obs` that are constant within each sample. Cells without
    one of the labels are excluded.

    Raises
    ------
    KeyError
        If a column or the layer does not exist.
    ValueError
        If `"sum"` is given but the values are not counts, `func` is unknown, or no sample has enough cells.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> adata = AnnData(np.ones((5, 2)), obs={"donor": ["a", "a", "b", "b", "b"], "sex": ["f", "f", "m", "m", "m"]})
    >>> samples = scpi.de.pseudobulk(adata, sample_key="donor", min_cells=1)
    >>> samples.X.tolist(), samples.obs["sex"].tolist()
    ([[2.0, 2.0], [3.0, 3.0]], ['f', 'm'])
    """
    view = View.of(data, mod, layer)
    functions = list(dict.fromkeys(as_list(func)))
    unknown = [name for name in functions if name not in get_args(Aggregation)]
    if unknown or not functions:
        msg = f"`func` must be one or several of {listed(get_args(Aggregation))}, but is {func!r}."
        raise ValueError(msg)
    if functions == ["sum"]:
        view = view.of_counts()
    of_samples, divided = as_list(sample_key), [] if groupby is None else as_list(groupby)
    if not of_samples:
        msg = "`sample_key` is empty: name the column with the sample of each cell."
        raise ValueError(msg)
    labels = {name: view.labels(name) for name in dict.fromkeys([*of_samples, *divided])}
    labels |= {name: merge_spellings(labels[name]) for name in divided if name not in of_samples}
    # Numeric columns of the cells stay numeric for samples
    columns = view.columns(list(labels), "sample_key")
    numbers = [name for name in columns if is_number(columns[name])]
    obs, codes = assign_cells(view, labels, min_cells, more=columns[numbers])
    found = {name: aggregate(view.source, codes, len(obs), name, check=view.check_counts) for name in functions}
    result = AnnData(next(iter(found.values())), obs=obs, var=view.adata.var.copy())
    if len(found) > 1:
        result.layers.update(found)
    result.obs_names_make_unique()
    return result


@dataclass(frozen=True)
class SampleSums:
    """Summed counts of samples."""

    counts: Any
    """Samples x genes."""
    obs: pd.DataFrame
    """The labels of each sample, its number of cells, and what is the same in all of these."""


def sum_samples(view: View, labels: Mapping[str, pd.Categorical], min_cells: int, *, more: pd.DataFrame) -> SampleSums:
    """Sum the counts of the cells of each sample, block by block where they are in a file.

    Parameters
    ----------
    view, labels, min_cells, more
        As of :func:`assign_cells`.

    Raises
    ------
    ValueError
        If the values are not counts, or no sample has enough cells.
    """
    obs, codes = assign_cells(view, labels, min_cells, more=more)
    return SampleSums(sum_cells(view.source, codes, len(obs), check=view.check_counts), obs)


def assign_cells(
    view: View, labels: Mapping[str, pd.Categorical], min_cells: int, *, more: pd.DataFrame
) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Find the sample of each cell.

    Parameters
    ----------
    view
        Cells.
    labels
        Labels that make a sample, by the name of their column.
    min_cells
        Minimum number of cells of a sample.
    more
        Columns that stand in the result as they are, where the cells of each sample agree.

    Returns
    -------
    The samples, and the number of the sample of each cell, -1 if it is in none.

    Raises
    ------
    ValueError
        If no sample has enough cells.
    """
    cells = np.flatnonzero(np.all([label.codes >= 0 for label in labels.values()], axis=0))
    pairs = np.stack([label.codes[cells] for label in labels.values()], axis=1)
    units, unit = np.unique(pairs, axis=0, return_inverse=True)
    sizes = np.bincount(unit.ravel(), minlength=len(units))
    kept = np.flatnonzero(sizes >= min_cells)
    if not len(kept):
        msg = (
            f"None of the {len(units)} samples of {' x '.join(map(repr, labels))} has {min_cells} cells or more; the "
            f"largest has {sizes.max(initial=0)}. Lower `min_cells`."
        )
        raise ValueError(msg)
    renumbered = np.full(len(units), -1)
    renumbered[kept] = np.arange(len(kept))
    codes = np.full(view.adata.n_obs, -1)
    codes[cells] = renumbered[unit.ravel()]

    keys = {
        name: pd.Categorical.from_codes(units[kept, i], categories=label.categories).remove_unused_categories()
        for i, (name, label) in enumerate(labels.items())
    }
    obs = pd.DataFrame(keys)
    obs[Key.obs.N_CELLS] = sizes[kept]
    included = np.flatnonzero(codes >= 0)
    others = view.adata.obs.drop(columns=obs.columns, errors="ignore").assign(**dict(more.items()))
    for name, values in constant_columns(others.iloc[included], codes[included]).items():
        obs[name] = values
    obs.index = pd.Index(["_".join(row) for row in zip(*(key.astype(str) for key in keys.values()), strict=True)])
    return obs, codes


def constant_columns(frame: pd.DataFrame, sample: NDArray[np.intp]) -> pd.DataFrame:
    """Columns that are the same in all cells of each sample, one row a sample."""
    first = np.unique(sample, return_index=True)[1]
    constant = {}
    for name in frame.columns:
        codes = pd.factorize(frame[name])[0]
        if (codes == codes[first][sample]).all():
            values = frame[name].iloc[first].reset_index(drop=True)
            categorical = isinstance(values.dtype, pd.CategoricalDtype)
            constant[name] = values.cat.remove_unused_categories() if categorical else values
    return pd.DataFrame(constant, index=range(len(first)))
