from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_labels, read_layer
from scpi.de._counts import check_counts
from scpi.de._sums import sum_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mudata import MuData
    from numpy.typing import NDArray


@fill
def pseudobulk(
    data: AnnData | MuData,
    *,
    sample_key: str | Sequence[str],
    groupby: str | Sequence[str] | None = None,
    layer: str | None = None,
    min_cells: int = 10,
    mod: str | None = None,
) -> AnnData:
    """Sum the counts of the cells of each sample.

    Cells of one donor or culture are no replicates of each other, but their sums are those of the donors (Squair et
    al., Nat. Commun. 12, 2021).

    Parameters
    ----------
    %(data)s
    sample_key
        Column or columns of `adata.obs` with the sample (donor, culture, plate and well) of each cell.
    groupby
        Column or columns by which to divide the cells of a sample further, such as the cell type or the condition.
    %(layer)s
    min_cells
        Fewest cells of a sample; smaller ones are left out.
    %(mod)s

    Returns
    -------
    Summed counts, samples x genes. Its `obs` has the columns above, `n_cells`, and all other columns of `adata.obs`
    that are the same in all cells of each sample. Cells without one of the labels are left out.

    Raises
    ------
    KeyError
        If a column or the layer is not there.
    ValueError
        If the values are no counts, or no sample has enough cells.

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
    adata = resolve_modality(data, mod)
    columns = list(dict.fromkeys([*_listed_names(sample_key), *_listed_names(groupby)]))
    if not columns:
        msg = "`sample_key` is empty: name the column with the sample of each cell."
        raise ValueError(msg)
    counts = check_counts(read_layer(adata, layer), name="X" if layer is None else f"layers[{layer!r}]")
    labels = [read_labels(data, column, mod=mod) for column in columns]
    cells = np.flatnonzero(np.all([label.codes >= 0 for label in labels], axis=0))
    pairs = np.stack([label.codes[cells] for label in labels], axis=1)
    units, unit = np.unique(pairs, axis=0, return_inverse=True)
    sizes = np.bincount(unit.ravel(), minlength=len(units))
    kept = np.flatnonzero(sizes >= min_cells)
    if not len(kept):
        msg = (
            f"None of the {len(units)} samples of {' x '.join(map(repr, columns))} has {min_cells} cells or more; the "
            f"largest has {sizes.max(initial=0)}. Lower `min_cells`."
        )
        raise ValueError(msg)
    renumbered = np.full(len(units), -1)
    renumbered[kept] = np.arange(len(kept))
    sample = renumbered[unit.ravel()]
    cells, sample = cells[sample >= 0], sample[sample >= 0]

    keys = {
        column: pd.Categorical.from_codes(units[kept, i], categories=label.categories)
        for i, (column, label) in enumerate(zip(columns, labels, strict=True))
    }
    obs = pd.DataFrame({column: key.remove_unused_categories() for column, key in keys.items()})
    obs[Key.obs.N_CELLS] = sizes[kept]
    constant = _constant_columns(adata.obs.drop(columns=obs.columns, errors="ignore").iloc[cells], sample)
    obs = pd.concat([obs, constant], axis=1)
    obs.index = pd.Index(["_".join(row) for row in zip(*(key.astype(str) for key in keys.values()), strict=True)])
    result = AnnData(sum_cells(counts, cells, sample), obs=obs, var=adata.var.copy())
    result.obs_names_make_unique()
    return result


def _listed_names(names: str | Sequence[str] | None) -> list[str]:
    return [] if names is None else [names] if isinstance(names, str) else list(names)


def _constant_columns(frame: pd.DataFrame, sample: NDArray[np.intp]) -> pd.DataFrame:
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
