"""Cells to train a classifier on, and held-out cells to find the genes that it uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scpi._groups import plan_comparisons
from scpi._ranking import Ranking, write_ranking
from scpi.de import fold_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label, Plan
    from scpi._screen._expression import Expression
    from scpi._view import View

# Two cells to train on and two held-out cells
_MIN_SIZE = 4


@dataclass(frozen=True)
class Task:
    """Cells of groups that a classifier learns to distinguish."""

    view: View
    plan: Plan
    genes: NDArray[np.object_]
    expression: Expression

    @property
    def values(self) -> Any:
        """Expression, cells x genes, dense or CSR."""
        return self.expression.tested

    def margins(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the score of each tested group minus the mean of the others, or minus that of the reference.

        Softmax scores are defined only up to a common constant. The last axis is the groups.
        """
        n_tested, reference = len(self.plan.tested), self.plan.reference
        own = scores[..., :n_tested]
        if reference is not None:
            return own - scores[..., reference, None]
        return (own * self.plan.n_groups - scores.sum(axis=-1, keepdims=True)) / (self.plan.n_groups - 1)

    def others(self, codes: NDArray[np.intp], group: int) -> NDArray[np.bool_]:
        """Find the cells that a group is compared with."""
        if self.plan.reference is not None:
            return codes == self.plan.reference
        return codes != group


def read_task(view: View, groupby: str, groups: Label | Sequence[Label] | Literal["all"], reference: Label) -> Task:
    """Read expression and groups, as `scpi.de.rank_genes` does."""
    plan = plan_comparisons(view.labels(groupby), groupby, groups, reference, _MIN_SIZE)
    return Task(view, plan, view.genes, view.expression())


def split(
    codes: NDArray[np.intp], test_size: float, n_cells: int | None, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw training cells and held-out cells, the same fraction of every group and at least two each.

    Cells with a negative code are left out; `n_cells` limits both parts together.
    """
    if not 0.0 < test_size < 1.0:
        msg = f"`test_size` must be between 0 and 1, but is {test_size}."
        raise ValueError(msg)
    if n_cells is not None and n_cells < 1:
        msg = f"`n_cells` must be positive, but is {n_cells}."
        raise ValueError(msg)
    share = 1.0 if n_cells is None else min(1.0, n_cells / int((codes >= 0).sum()))
    train, test = [], []
    for group in range(int(codes.max()) + 1):
        cells = rng.permutation(np.flatnonzero(codes == group))
        cells = cells[: max(round(share * len(cells)), _MIN_SIZE)]
        n_test = min(max(round(test_size * len(cells)), 2), len(cells) - 2)
        test.append(cells[:n_test])
        train.append(cells[n_test:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def write_importance(
    task: Task,
    scores: NDArray[np.float64],
    *,
    importance: NDArray[np.float64],
    params: Mapping[str, Any],
    key_added: str,
    copy: bool,
) -> AnnData | MuData | None:
    """Store signed scores and their components, groups x genes, without p-values."""
    plan, scaled = task.plan, task.expression.scaled
    missing = np.full(scores.shape, np.nan)
    fold = missing
    if scaled is not None:
        log_base = task.expression.log_base
        fold, _ = fold_changes(scaled, plan.codes, reference=plan.reference, log_base=log_base)
    ranking = Ranking(
        groups=np.array(plan.tested, dtype=object),
        genes=task.genes,
        scores=scores,
        logfoldchanges=fold[: len(plan.tested)],
        log10_pvals=missing,
        pvals_adj=missing,
        extra={"importance": importance},
        params=params,
    )
    result, target = task.view.output(copy)
    write_ranking(target, key_added, ranking)
    return result
