from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scpi._docs import fill
from scpi._groups import REST
from scpi._keys import Key
from scpi._optional import import_extra
from scpi._rng import as_generator
from scpi._screen._matrix import dense_rows
from scpi._slots import listed, result_params
from scpi._view import View
from scpi.tl._held_out import read_task, split, write_importance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.tl._held_out import Task

# Maximum bytes of the attributions of a batch of cells, cells x genes x groups
_BYTES = 1 << 26
# Number of reference cells from which expected gradients draw
_POOL = 200


@fill
def rank_genes_shap(
    data: AnnData | MuData,
    groupby: str,
    *,
    model: Any = None,
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    reference: Label = REST,
    layer: str | None = None,
    n_trees: int = 100,
    test_size: float = 0.25,
    n_cells: int | None = 5000,
    rankby_abs: bool = False,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    r"""Rank the genes of every group of cells by their Shapley values in a classifier of the groups.

    Without a model, boosted trees are trained to distinguish the groups, and TreeSHAP (Lundberg et al., Nat. Mach.
    Intell. 2, 2020) attributes their scores in held-out cells to the genes. Let :math:`\phi_{igk}` be the Shapley value
    of gene *g* in cell *i* for the margin of group *k*: its score minus the mean score of the other groups, or minus
    that of the reference. The importance of the gene is its mean contribution to the margin in cells of the group,
    minus that in the cells of the reference,

    .. math:: I_{kg} = \operatorname{mean}_{i \in k} \phi_{igk} - \operatorname{mean}_{i \notin k} \phi_{igk},

    and its score has the sign of the covariance of :math:`\phi_{igk}` with expression: positive if high expression of
    the gene is evidence for the group. Each split chooses among a few randomly drawn genes, so that the trees use
    several of the genes with the same information.

    With a model, the margin of its logits is explained by expected gradients, an approximation of Shapley values in a
    network. These are mean contributions in the cells of the group, with cells of the reference as baselines. The sign
    is that of the mean gradient.

    Genes are ranked by their use in one classifier. This is not a test, so there are no p-values, and one of two genes
    with the same information may be missed.

    Parameters
    ----------
    %(data)s
    groupby
        Column of `adata.obs` with the group of each cell. Cells without a label are left out.
    model
        Trained model with one logit per group, of the same name: a clustering network of `scpi.model`, or SCANVI.
        If `None`, boosted trees are trained.
    groups
        Groups to rank genes for; all if `"all"`.
    reference
        Group to compare with. With `"rest"`, each group is compared with all other cells that have a label.
    %(layer)s
        It is used for the trees and the fold changes; a model reads its registered data.
    n_trees
        Number of trees per group.
    test_size
        Fraction of the cells to hold out from training, by which genes are ranked.
    n_cells
        Maximum number of cells to use, drawn with the same fraction of each group; all if `None`. The trees need dense
        data, 4 bytes per gene and cell.
    rankby_abs
        Whether to rank by the absolute score, so that genes whose low expression is evidence for the group come first
        too.
    %(rng)s
    %(written_key_added)s

    `adata.uns['rank_genes_shap' | key_added]` : :class:`dict`
        The structure of :func:`scanpy.tl.rank_genes_groups`: record arrays with one field per group, best gene first:
        `names`, `scores` (importance with the sign), `logfoldchanges`, `pvals` and `pvals_adj` (NaN), and `importance`.
        And `params`, with the `accuracy` of the trees in the held-out cells.

    Raises
    ------
    ImportError
        If shap, which explains the trees, is not installed.
    KeyError
        If the column or the layer does not exist.
    TypeError
        If the model has no logits.
    ValueError
        If a group or the reference is unknown, has fewer than four cells or is not in the model, or gene names are not
        unique.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(200, n_genes=60, de_prob=0.2, de_fac_scale=1.0)
    >>> scpi.tl.rank_genes_shap(adata, "group", n_trees=20)
    >>> ranked = adata.uns["rank_genes_shap"]
    >>> bool(ranked["names"]["Group1"][0] == ranked["names"]["Group2"][-1])
    True
    """
    key_added = Key.uns.RANK_GENES_SHAP if key_added is None else key_added
    if n_trees < 1:
        msg = f"`n_trees` must be positive, but is {n_trees}."
        raise ValueError(msg)
    task = read_task(View.to_write(data, mod, layer, key_added=key_added), groupby, groups, reference)
    generator = as_generator(rng)
    train, test = split(task.plan.codes, test_size, n_cells, generator)
    found: dict[str, Any] = {}
    if model is None:
        importance, sign, found["accuracy"] = _of_trees(task, train, test, n_trees, generator)
    else:
        cells = np.sort(np.concatenate([train, test]))
        importance, sign = _of_model(task, model, cells, generator)
    params = result_params(
        groupby=groupby,
        reference=task.plan.reference_name,
        method="tree_shap" if model is None else "expected_gradients",
        use_raw=False,
        layer=layer,
        rankby_abs=rankby_abs,
        n_trees=n_trees if model is None else None,
        test_size=test_size if model is None else None,
        model=None if model is None else type(model).__name__,
        n_cells=n_cells,
        transform=task.expression.transform,
        **found,
    )
    scores = importance * sign
    return write_importance(task, scores, importance=importance, params=params, key_added=key_added, copy=copy)


def _of_trees(
    task: Task, train: NDArray[np.intp], test: NDArray[np.intp], n_trees: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Compute importance and sign, groups x genes, and the accuracy of boosted trees in held-out cells."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    codes, n_genes = task.plan.codes, task.values.shape[1]
    trees = HistGradientBoostingClassifier(
        max_iter=n_trees,
        max_leaf_nodes=8,
        max_features=1.0 / np.sqrt(n_genes),
        early_stopping=False,
        random_state=int(rng.integers(1 << 31)),
    ).fit(dense_rows(task.values, train), codes[train])
    sums = _Sums(task, n_genes)
    n_right = 0
    for rows, x, shares in _shapley_values(trees, task, test):
        sums.add(codes[rows], x, task.margins(shares))
        n_right += int((trees.predict(x) == codes[rows]).sum())
    return *sums.result(), n_right / len(test)


def _shapley_values(
    trees: Any, task: Task, cells: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float64]]]:
    """Compute the Shapley values of the score of every group, cells x genes x groups, a few cells at a time."""
    explainer = import_extra("shap").TreeExplainer(trees)
    size = max(_BYTES // (8 * task.values.shape[1] * task.plan.n_groups), 1)
    for start in range(0, len(cells), size):
        rows = cells[start : start + size]
        x = dense_rows(task.values, rows)
        values = np.asarray(explainer.shap_values(x))
        if values.ndim == 2:  # two groups have one score, the log odds of the second
            values = np.stack([-values / 2, values / 2], axis=-1)
        yield rows, x, values


class _Sums:
    """Sums over cells that give the mean Shapley values and their covariance with expression."""

    def __init__(self, task: Task, n_genes: int) -> None:
        self._task = task
        shape = len(task.plan.tested), n_genes
        self._n = np.zeros((2, shape[0], 1))  # cells of the group and of the reference
        self._values, self._x, self._products = np.zeros((2, *shape)), np.zeros((2, *shape)), np.zeros(shape)

    def add(self, codes: NDArray[np.intp], x: NDArray[np.float32], margins: NDArray[np.float64]) -> None:
        for group in range(len(self._n[0])):
            values = margins[..., group]
            for side, cells in enumerate((codes == group, self._task.others(codes, group))):
                self._n[side, group] += cells.sum()
                self._values[side, group] += values[cells].sum(axis=0)
                self._x[side, group] += x[cells].sum(axis=0)
                self._products[group] += np.einsum("ig,ig->g", values[cells], x[cells])

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        own, other = self._values / self._n
        covariance = self._products - self._values.sum(axis=0) * self._x.sum(axis=0) / self._n.sum(axis=0)
        return own - other, np.sign(covariance)


def _of_model(
    task: Task, model: Any, cells: NDArray[np.intp], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute importance and sign, groups x genes, by expected gradients and gradients of the logits of a network."""
    import torch
    from scvi import REGISTRY_KEYS

    from scpi.attribution import attribute_groups, contrast
    from scpi.model import attribution_target

    target = attribution_target(model, "logit")
    tested, reference = task.plan.tested, task.plan.reference_name
    needed = [*tested, *([] if reference == REST else [reference])]
    unknown = [name for name in needed if name not in set(target.names)]
    if unknown:
        msg = (
            f"The model has no logit of {listed(unknown)}, only of {listed(target.names)}: `groupby` must hold the labels "
            "that it predicts."
        )
        raise ValueError(msg)
    adata = model._validate_anndata(task.view.data)
    x = model.get_anndata_manager(adata, required=True).get_from_registry(REGISTRY_KEYS.X_KEY)
    margin = contrast(target, tested, reference=reference)
    rows, codes = x[cells], task.plan.codes[cells]
    own = np.where(codes < len(tested), codes, -1)
    baseline: Any = "rest"
    if reference == REST:
        # Cells of untested groups are baselines too; their own results are dropped
        own, outputs = codes, [*tested, *tested[:1] * (task.plan.n_groups - len(tested))]
    else:
        drawn = rng.permutation(np.flatnonzero(codes == task.plan.reference))[:_POOL]
        with torch.no_grad():
            baseline = target.transform(torch.from_numpy(dense_rows(rows, drawn)).to(model.device)).cpu().numpy()
        outputs = tested
    settings: dict[str, Any] = {"outputs": outputs, "spread": False, "device": model.device, "rng": rng}
    importance = attribute_groups(margin, rows, own, method="expected_gradients", baseline=baseline, **settings).mean
    gradient = attribute_groups(margin, rows, own, **settings).mean
    return importance[: len(tested)], np.sign(gradient[: len(tested)])
