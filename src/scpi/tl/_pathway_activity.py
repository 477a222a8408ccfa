from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scpi._docs import fill
from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._screen._blocks import row_blocks
from scpi._screen._checks import check_values
from scpi._screen._matrix import as_dense, sums
from scpi._slots import listed, result_params
from scpi._view import View

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model import SENAVAE

_BLOCK_CELLS = 4096


@fill
def pathway_activity(
    data: AnnData | MuData,
    model: SENAVAE | None = None,
    *,
    layer: str | None = None,
    gene_sets_key: str = Key.varm.GENE_SETS,
    rectified: bool = False,
    batch_size: int | None = None,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Score the activity of every gene set in every cell.

    With a trained model, the activity is the output of its first layer: a sum over the members of a set with learned
    weights. Without a model, it is the plain mean of the members, the baseline for the learned activity.

    Parameters
    ----------
    %(data)s
    model
        Trained model with a layer of gene sets, such as :class:`scpi.model.SENAVAE`; the plain mean if `None`.
    layer
        Entry of `adata.layers` to average instead of `adata.X`. Values on the log scale are best, as no single gene
        dominates there. Not used with a model, which has its own.
    %(gene_sets_key)s
        Not used with a model.
    rectified
        Whether to return the activity of a model after its non-linearity, as the next layer sees it.
    batch_size
        Number of cells that the model processes at a time.
    %(written_key_added)s

    `adata.obsm['pathway_activity' | key_added]` : :class:`numpy.ndarray` (dtype `float32`)
        Activity, cells x sets.
    `adata.uns['pathway_activity' | key_added]` : :class:`dict`
        `names` of the sets and `params`.

    Raises
    ------
    KeyError
        If the gene sets or the layer do not exist.
    ValueError
        If the data has NaN or infinite values, a set has no measured gene, or an option does not apply with, or
        without, a model.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> adata = AnnData(np.array([[1.0, 3.0, 9.0]]))
    >>> adata.varm["gene_sets"] = np.array([[1], [1], [0]])
    >>> scpi.tl.pathway_activity(adata)
    >>> adata.obsm["pathway_activity"]
    array([[2.]], dtype=float32)
    """
    key_added = Key.obsm.PATHWAY_ACTIVITY if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    if model is None:
        if rectified or batch_size is not None:
            msg = "`rectified` and `batch_size` are options of a model: give one, or leave them out."
            raise ValueError(msg)
        activity, names = _mean_of_members(view, gene_sets_key)
        params = result_params(method="mean", layer=layer, gene_sets_key=gene_sets_key)
    else:
        if layer is not None:
            msg = "`layer` goes with the plain mean. A model uses the layer that it was set up with."
            raise ValueError(msg)
        activity, names = _of_model(view, model, rectified=rectified, batch_size=batch_size)
        params = result_params(method=type(model).__name__, rectified=rectified)

    result, target = view.output(copy)
    target.obsm[key_added] = activity
    target.uns[key_added] = {"names": names, "params": params}
    return result


def _mean_of_members(view: View, gene_sets_key: str) -> tuple[NDArray[np.float32], NDArray[np.object_]]:
    membership, names = read_gene_sets(view.adata, gene_sets_key)
    sizes = sums(membership, axis=0)
    if not sizes.all():
        msg = f"These gene sets have no measured gene: {listed(names[sizes == 0], 5)}. Leave them out."
        raise ValueError(msg)
    weights = sparse.csr_matrix(membership.astype(np.float64) @ sparse.diags(1.0 / sizes))
    activity = np.empty((view.adata.n_obs, len(names)), dtype=np.float32)
    # Process blocks of cells, so that neither a backed file nor its float64 copy is ever entirely in memory
    for rows, block in row_blocks(view.source, _BLOCK_CELLS):
        activity[rows] = as_dense(check_values(block, name=view.name).astype(np.float64) @ weights)
    return activity, names


def _of_model(
    view: View, model: SENAVAE, *, rectified: bool, batch_size: int | None
) -> tuple[NDArray[np.float32], NDArray[np.object_]]:
    # A model that was set up with a MuData needs a MuData
    source = view.data if type(getattr(model, "adata", None)) is type(view.data) else view.adata
    frame = model.get_pathway_activity(source, rectified=rectified, batch_size=batch_size)
    if not frame.index.equals(view.adata.obs_names):
        msg = f"The model returned {len(frame)} cells that are not the {view.adata.n_obs} cells of the data, in their order."
        raise ValueError(msg)
    return frame.to_numpy(dtype=np.float32), np.array([str(name) for name in frame.columns], dtype=object)
