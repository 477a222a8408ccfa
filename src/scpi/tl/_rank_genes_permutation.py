from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from scpi._docs import fill
from scpi._groups import REST
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._matrix import as_dense, dense_rows, means
from scpi._slots import result_params
from scpi._view import View
from scpi.tl._held_out import read_task, split, write_importance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.tl._held_out import Task

    Scores = NDArray[np.float64]


@fill
def rank_genes_permutation(
    data: AnnData | MuData,
    groupby: str,
    *,
    estimator: Any = None,
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    reference: Label = REST,
    layer: str | None = None,
    n_repeats: int = 5,
    test_size: float = 0.25,
    n_cells: int | None = 5000,
    rankby_abs: bool = False,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    r"""Rank the genes of every group of cells by permutation importance in a classifier of the groups.

    A classifier learns to distinguish the groups. In held-out cells, the values of one gene are permuted between cells
    (Breiman, Mach. Learn. 45, 2001). The importance of the gene for a group is the resulting loss of log-likelihood in
    classifying cells as group or reference,

    .. math:: L_k = \tfrac12 \operatorname{mean}_{i \in k} \log p_{ik}
        + \tfrac12 \operatorname{mean}_{i \notin k} \log (1 - p_{ik}),

    averaged over permutations. The logarithm distinguishes genes even if no cell changes its predicted group. The score
    is the importance, or zero if that is negative, with the sign of the difference in mean expression.

    Genes are ranked by their use in one classifier. This is not a test, so there are no p-values. Genes with the same
    information divide their importance among them.

    Parameters
    ----------
    %(data)s
    groupby
        Column of `adata.obs` with the group of each cell. Cells without a label are left out.
    estimator
        Classifier of scikit-learn with `predict_proba`; a copy of it is trained. If `None`, logistic regression with an
        L2 penalty on genes of unit variance, for which the losses of all genes are computed at once. Other classifiers
        predict once per gene and repeat.
    groups
        Groups to rank genes for; all if `"all"`.
    reference
        Group to compare with. With `"rest"`, each group is compared with all other cells that have a label.
    %(layer)s
    n_repeats
        Number of permutations per gene.
    test_size
        Fraction of the cells to hold out from training, in which genes are permuted.
    n_cells
        Maximum number of cells to use, drawn with the same fraction of each group; all if `None`.
    rankby_abs
        Whether to rank by the absolute score, so that genes that are low in the group come first too.
    %(rng)s
    %(written_key_added)s

    `adata.uns['rank_genes_permutation' | key_added]` : :class:`dict`
        The structure of :func:`scanpy.tl.rank_genes_groups`: record arrays with one field per group, best gene first:
        `names`, `scores` (importance with the sign), `logfoldchanges`, `pvals` and `pvals_adj` (NaN), and `importance`
        (as estimated; it may be negative for useless genes). And `params`, with the `accuracy` in the held-out cells.

    Raises
    ------
    KeyError
        If the column or the layer does not exist.
    TypeError
        If the estimator has no `predict_proba`.
    ValueError
        If a group or the reference is unknown or has fewer than four cells, or gene names are not unique.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(200, n_genes=60, de_prob=0.2, de_fac_scale=1.0)
    >>> scpi.tl.rank_genes_permutation(adata, "group")
    >>> ranked = adata.uns["rank_genes_permutation"]
    >>> bool(ranked["names"]["Group1"][0] == ranked["names"]["Group2"][-1])
    True
    """
    key_added = Key.uns.RANK_GENES_PERMUTATION if key_added is None else key_added
    if n_repeats < 1:
        msg = f"`n_repeats` must be positive, but is {n_repeats}."
        raise ValueError(msg)
    if estimator is not None and not hasattr(estimator, "predict_proba"):
        msg = f"`estimator` must give probabilities, but {type(estimator).__name__} has no `predict_proba`."
        raise TypeError(msg)
    task = read_task(View.to_write(data, mod, layer, key_added=key_added), groupby, groups, reference)
    generator = as_generator(rng)
    train, test = split(task.plan.codes, test_size, n_cells, generator)
    fit = _fit_linear if estimator is None else _fit_estimator
    classifier = fit(task, train, test, estimator, generator)
    codes = task.plan.codes[test]
    log_likelihood = _LogLikelihood(task, codes)
    before = log_likelihood(classifier.scores)
    importance = np.zeros((len(task.plan.tested), task.values.shape[1]))
    for _ in range(n_repeats):
        order = generator.permutation(len(test))
        for gene in range(importance.shape[1]):
            shuffled = classifier.shuffled(gene, order)
            if shuffled is not None:
                importance[:, gene] += (before - log_likelihood(shuffled)) / n_repeats
    params = result_params(
        groupby=groupby,
        reference=task.plan.reference_name,
        method="permutation",
        use_raw=False,
        layer=layer,
        rankby_abs=rankby_abs,
        estimator="LogisticRegression" if estimator is None else type(estimator).__name__,
        n_repeats=n_repeats,
        test_size=test_size,
        n_cells=n_cells,
        transform=task.expression.transform,
        accuracy=float((classifier.scores.argmax(axis=1) == codes).mean()),
    )
    scores = np.maximum(importance, 0.0) * _sign(task, test)
    return write_importance(task, scores, importance=importance, params=params, key_added=key_added, copy=copy)


class _LogLikelihood:
    """Log-likelihood of each tested group against its reference, both sides with the same weight."""

    def __init__(self, task: Task, codes: NDArray[np.intp]) -> None:
        groups = range(len(task.plan.tested))
        sides = [np.stack([codes == k for k in groups], 1), np.stack([task.others(codes, k) for k in groups], 1)]
        self._own, self._other = (0.5 * side / side.sum(axis=0) for side in sides)
        self._n, self._reference = len(groups), task.plan.reference

    def __call__(self, scores: Scores) -> NDArray[np.float64]:
        scores = scores - scores.max(axis=1, keepdims=True)
        exponentials = np.exp(scores)
        own = exponentials[:, : self._n]
        if self._reference is None:
            other = exponentials.sum(axis=1, keepdims=True) - own
        else:
            other = exponentials[:, [self._reference]]
        # Where rounding removes the difference, the cell is classified without doubt
        own, other = (np.log(np.maximum(part, 1e-17)) for part in (own, other))
        total = np.logaddexp(own, other)
        return np.asarray((self._own * (own - total)).sum(axis=0) + (self._other * (other - total)).sum(axis=0))


class _Linear:
    """Scores that are linear in the genes, so that shuffling one gene changes the scores by a product."""

    def __init__(self, x: Any, weights: NDArray[np.float64], intercept: NDArray[np.float64]) -> None:
        self._x = x.tocsc() if sparse.issparse(x) else x
        self._weights = weights
        self.scores = np.asarray(x @ weights.T) + intercept

    def shuffled(self, gene: int, order: NDArray[np.intp]) -> Scores | None:
        values = as_dense(self._x[:, [gene]]).ravel()
        return self.scores + np.outer(values[order] - values, self._weights[:, gene])


class _Any:
    """Scores of any classifier, which predicts again for every gene."""

    def __init__(self, x: NDArray[np.float64], predict: Callable[[NDArray[np.float64]], Scores]) -> None:
        self._x, self._predict = x, predict
        self.scores = predict(x)

    def shuffled(self, gene: int, order: NDArray[np.intp]) -> Scores | None:
        values = self._x[:, gene].copy()
        if np.ptp(values) == 0:
            return None
        self._x[:, gene] = values[order]
        scores = self._predict(self._x)
        self._x[:, gene] = values
        return scores


def _fit_linear(
    task: Task, train: NDArray[np.intp], test: NDArray[np.intp], _: None, rng: np.random.Generator
) -> _Linear:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    # Double precision, as the solver stops early in single; no centring, which would make sparse data dense
    x = task.values[train].astype(np.float64)
    scaler = StandardScaler(with_mean=False).fit(x)
    model = LogisticRegression(C=1e-2, max_iter=300).fit(scaler.transform(x), task.plan.codes[train])
    weights, intercept = model.coef_, model.intercept_
    if len(weights) == 1:  # two groups have one score, the log odds of the second
        weights, intercept = np.concatenate([-weights, weights]) / 2, np.concatenate([-intercept, intercept]) / 2
    return _Linear(scaler.transform(task.values[test].astype(np.float64)), weights, intercept)


def _fit_estimator(
    task: Task, train: NDArray[np.intp], test: NDArray[np.intp], estimator: Any, rng: np.random.Generator
) -> _Any:
    from sklearn.base import clone

    model = clone(estimator)
    if "random_state" in model.get_params():
        model.set_params(random_state=int(rng.integers(1 << 31)))
    model.fit(dense_rows(task.values, train, np.float64), task.plan.codes[train])

    def log_probabilities(x: NDArray[np.float64]) -> Scores:
        return np.log(np.maximum(model.predict_proba(x), np.finfo(np.float64).tiny))

    return _Any(dense_rows(task.values, test, np.float64), log_probabilities)


def _sign(task: Task, cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Compute the sign of the difference in mean expression, groups x genes."""
    codes, values = task.plan.codes[cells], task.values[cells]
    tested = range(len(task.plan.tested))
    return np.sign([means(values[codes == k]) - means(values[task.others(codes, k)]) for k in tested])
