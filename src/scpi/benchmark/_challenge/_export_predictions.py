"""Export of predicted cells for cell-eval and the Virtual Cell Challenge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from scpi._keys import Key
from scpi._layer_of_counts import layer_of_counts
from scpi._replace import replaced
from scpi._rng import as_generator
from scpi._screen._checks import are_whole, check_counts, value_range
from scpi._screen._labels import quoted, text_labels
from scpi._sequence import as_list
from scpi._slots import layer_name, read_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

FileFormat = Literal["cell-eval", "vcc"]
TARGET_GENE, CELL_TYPE, CONTEXT = "target_gene", "celltype", "context"
"""Columns of ``obs`` in these files: of the perturbation, and of the context in either format."""
CONTROL = "non-targeting"
"""Label of unperturbed cells in these files."""
_MOST_CELLS = {"cell-eval": 200_000, "vcc": 400_000}
_MOST_COUNTS = 1_000_000
_LARGEST_LOG = 15.0


def export_predictions(
    predicted: AnnData,
    path: str | Path,
    *,
    file_format: FileFormat = "cell-eval",
    perturbation_key: str = Key.obs.PERTURBATION,
    control: str = "control",
    context_key: str | None = None,
    layer: str | None = None,
    controls: AnnData | None = None,
    genes: Sequence[str] | str | None = None,
    n_cells: int | None = None,
    rng: int | np.random.Generator | None = 0,
) -> None:
    """Write predicted cells in the format of cell-eval, or of the Virtual Cell Challenge.

    Both formats require sparse 32-bit floats and the perturbation in ``obs["target_gene"]``. Files contain only the
    expression, the labels and the gene names.

    ``"cell-eval"`` (cell-eval and cell-eval2; the challenge of 2025 with ``cell-eval prep``): counts, or logarithms of
    normalised counts below 15, with control cells named ``"non-targeting"``; contexts in ``obs["celltype"]``; at most
    200,000 cells. Predicted logarithms below 0 become 0. Write the measured cells for the comparison with the same
    function.

    ``"vcc"`` (a submission to the challenge of 2026, for its ``vcc prep``): counts, at most 1,000,000 per cell, without
    control cells; contexts in ``obs["context"]``; at most 400,000 cells. It requires the same number of cells for every
    perturbation in every context, which is ``n_cells``.

    Parameters
    ----------
    predicted
        Predicted cells. Control cells among them are kept for cell-eval, and excluded for the challenge.
    path
        File to write, ``.h5ad``.
    file_format
        Format of the file.
    perturbation_key
        Column of ``obs`` with the perturbation of each cell. Cells without a label are excluded.
    control
        Label of the unperturbed cells.
    context_key
        Column of ``obs`` with the contexts, if any.
    layer
        Layer to write, such as that of counts; ``X`` if ``None``.
    controls
        Measured control cells to add for cell-eval, with the same columns and the same layer. All of them count as
        controls.
    genes
        Gene names in the order of the file, such as the list of the challenge; as in ``predicted`` if ``None``.
    n_cells
        Number of cells of each perturbation in each context, subsampled from the predicted cells; all if ``None``.
        Controls are not subsampled.
    rng
        Seed or generator of the draw.

    Raises
    ------
    KeyError
        If a column or layer does not exist.
    ValueError
        If the format does not accept the scale of the expression, there are no controls for cell-eval, genes are
        missing, or there are too many or too few cells.
    """
    if file_format not in get_args(FileFormat):
        msg = f"`file_format` must be one of {quoted(get_args(FileFormat))}, but is {file_format!r}."
        raise ValueError(msg)
    if Path(path).suffix != ".h5ad":
        msg = f"{str(path)!r} must end in .h5ad."
        raise ValueError(msg)
    columns = [perturbation_key, *([] if context_key is None else [context_key])]
    if file_format == "vcc":
        layer = layer_of_counts(predicted, layer)
    cells = _part(predicted, "predicted", columns, layer, control)
    is_control = (cells.obs[TARGET_GENE] == CONTROL).to_numpy()
    if file_format == "vcc":
        cells, is_control = cells[~is_control], np.zeros(int((~is_control).sum()), dtype=bool)
    elif controls is not None:
        added = _part(controls, "controls", columns, layer, control)
        added.obs[TARGET_GENE] = CONTROL
        # Predicted cells may have the names of the control cells from which they started
        added.obs_names = "control " + added.obs_names.astype(str)
        cells = ad.concat([cells, added[:, _places(added, cells.var_names, "controls")]])
        is_control = np.concatenate([is_control, np.ones(added.n_obs, dtype=bool)])
    if file_format == "cell-eval" and not is_control.any():
        msg = (
            f"cell-eval compares with control cells, and there are none: `predicted.obs[{perturbation_key!r}]` has no {control!r}. Give measured "
            "ones as `controls`."
        )
        raise ValueError(msg)
    chosen = _drawn(cells.obs, is_control, n_cells, as_generator(rng))
    if len(chosen) > _MOST_CELLS[file_format]:
        msg = (
            f"{len(chosen):,} cells are more than the {_MOST_CELLS[file_format]:,} that {file_format!r} takes: give a smaller `n_cells`, which is the "
            "number per perturbation and context."
        )
        raise ValueError(msg)
    names = cells.var_names if genes is None else pd.Index(as_list(genes))
    x = _scaled(cells.X[chosen][:, _places(cells, names, "predicted")], file_format, f"predicted: {layer_name(layer)}")
    obs = cells.obs.iloc[chosen].set_axis([str(place) for place in range(len(chosen))])
    second = CELL_TYPE if file_format == "cell-eval" else CONTEXT
    obs = obs.rename(columns={CONTEXT: second}).astype("category")
    with replaced(Path(path)) as scratch:
        ad.AnnData(x, obs=obs, var=pd.DataFrame(index=names.astype(str))).write_h5ad(scratch, compression="gzip")


def _part(adata: AnnData, what: str, columns: list[str], layer: str | None, control: str) -> AnnData:
    """Expression and labels of labelled cells, under the names of the file."""
    missing = [name for name in columns if name not in adata.obs]
    if missing:
        msg = f"`{what}.obs` has no column {quoted(missing)}, only {quoted([str(name) for name in adata.obs])}."
        raise KeyError(msg)
    labels = [text_labels(adata.obs[name]) for name in columns]
    obs = pd.DataFrame(
        dict(zip((TARGET_GENE, CONTEXT), (np.asarray(one, dtype=object) for one in labels), strict=False))
    )
    kept = obs.notna().all(axis=1).to_numpy()
    obs[TARGET_GENE] = obs[TARGET_GENE].replace(control, CONTROL)
    x = sparse.csr_matrix(read_layer(adata, layer), dtype=np.float32)
    return ad.AnnData(x[kept], obs=obs[kept].rename(index=str), var=pd.DataFrame(index=adata.var_names))


def _places(cells: AnnData, genes: pd.Index, what: str) -> NDArray[np.intp]:
    """Columns of genes by name."""
    places = cells.var_names.get_indexer(genes) if cells.var_names.is_unique else np.full(len(genes), -1)
    if (places < 0).any() or len(genes) < cells.n_vars:
        missing, others = genes[places < 0], cells.var_names.difference(genes)
        msg = (
            f"`{what}` must have the {len(genes)} genes of the file, each once, but lacks {len(missing)}, such as {quoted(list(missing[:3]))}, and has "
            f"{len(others)} others, such as {quoted(list(others[:3]))}."
        )
        raise ValueError(msg)
    return places


def _drawn(
    obs: pd.DataFrame, is_control: NDArray[np.bool_], n_cells: int | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Positions of the cells to write, in ascending order."""
    if n_cells is None:
        return np.arange(len(obs))
    chosen = [np.flatnonzero(is_control)]
    groups = obs.groupby(list(obs), sort=False).ngroup().to_numpy()
    for group in np.unique(groups[~is_control]):
        own = np.flatnonzero((groups == group) & ~is_control)
        if len(own) < n_cells:
            msg = f"{quoted(obs.iloc[own[0]].tolist())} has {len(own)} predicted cells, fewer than `n_cells={n_cells}`: predict more of them."
            raise ValueError(msg)
        chosen.append(rng.choice(own, n_cells, replace=False))
    return np.sort(np.concatenate(chosen))


def _scaled(x: Any, file_format: FileFormat, name: str) -> Any:
    """Expression on the scale of the format; a `ValueError` if it is on another scale."""
    if file_format == "vcc":
        counts = check_counts(x, name=name, advice="The challenge takes counts: give the `layer` that holds them.")
        most = float(counts.sum(axis=1).max()) if counts.shape[0] else 0.0
        if most > _MOST_COUNTS:
            msg = (
                f"`{name}` has a cell with {most:,.0f} counts, more than the {_MOST_COUNTS:,} that the challenge takes."
            )
            raise ValueError(msg)
        return counts
    x.data = np.maximum(x.data, 0.0)
    x.eliminate_zeros()
    largest = value_range(x)[1]
    if not np.isfinite(largest) or (not are_whole(x) and largest >= _LARGEST_LOG):
        msg = (
            f"`{name}` must be counts, or logarithms of normalised counts below {_LARGEST_LOG:g}, but the largest value is {largest:g}: give another "
            "`layer`."
        )
        raise ValueError(msg)
    return x
