"""Predicted cells of one condition, and all that they are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi import de
from scpi._scoring._conventions import N_CELLS
from scpi._screen._chosen_rows import column_means
from scpi._screen._matrix import dense_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LEVEL = 0.05
# Mean expression on the linear scale, of a sum of 10,000, that is added before a fold change is taken
_OFFSET = 0.1
# Relative to the mean of a gene: what single precision and the order of a sum can change
_ROUNDING = 2e-6


class Calls(NamedTuple):
    """Differential expression of genes: statistic, whether it is significant, and log2 fold change."""

    score: NDArray[np.float64]
    significant: NDArray[np.bool_]
    lfc: NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Prediction:
    """Predicted cells of a condition beside measured ones, cells x genes, log-normalised, dense or sparse.

    Means are those of all cells. Metrics that compare cells take at most ``n_cells`` of a kind, drawn with ``seed``.

    Attributes
    ----------
    real, predicted
        Measured and predicted perturbed cells.
    start
        Control cells that the prediction started from, or one row with their mean.
    reference
        Control cells that the measured change is taken against: others than ``start``, so that the noise of a shared
        control does not pass for skill.
    context
        Context of the condition: discrimination is between conditions of a context.
    perturbed_mean
        Mean over the perturbed conditions of the training cells, against which changes are free of what all of them
        share.
    others
        Reads training cells with other perturbations, which tell what is special about this one, at most ``n_cells``;
        ``None`` where there are fewer than two.
    targets
        Places of the genes that the perturbation itself sets, on which it is not scored.
    components
        Directions, genes x components, in which distances are taken; genes if ``None``.
    halves, reference_halves
        Two independent measurements of the perturbed profile, and of the control that each is taken against; ``None``
        where the rows of ``real`` and of ``reference`` are halved.
    n_cells
        Maximum number of cells of a kind in metrics that compare cells.
    seed
        Seed of the draws.
    """

    real: Any
    predicted: Any
    start: Any
    reference: Any
    context: str = ""
    perturbed_mean: NDArray[np.float64] | None = None
    others: Callable[[], Any] | None = None
    targets: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    components: NDArray[np.float64] | None = None
    halves: tuple[Any, Any] | None = None
    reference_halves: tuple[Any, Any] | None = None
    n_cells: int = N_CELLS
    seed: int = 0

    def without_targets(self) -> Prediction:
        """The same cells in all other genes; itself where there is no target."""
        if not len(self.targets):
            return self
        kept = np.setdiff1d(np.arange(self.real.shape[1]), self.targets)
        read = self.others
        return replace(
            self,
            **{name: getattr(self, name)[:, kept] for name in ("real", "predicted", "start", "reference")},
            perturbed_mean=None if self.perturbed_mean is None else self.perturbed_mean[kept],
            others=None if read is None else lambda: read()[:, kept],
            targets=self.targets[:0],
            halves=_genes(self.halves, kept),
            reference_halves=_genes(self.reference_halves, kept),
            components=None if self.components is None else self.components[kept],
        )

    @property
    def n_least(self) -> int:
        """Number of cells of the rarest kind: metrics that compare cells need two."""
        return min(cells.shape[0] for cells in (self.real, self.predicted, self.reference))

    @property
    def change(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured and predicted change against the control."""
        return self.real_change, self.predicted_change

    @cached_property
    def real_change(self) -> NDArray[np.float64]:
        """Mean of the measured cells less that of the reference."""
        return column_means(self.real) - column_means(self.reference)

    @cached_property
    def predicted_change(self) -> NDArray[np.float64]:
        """Mean of the predicted cells less that of the cells that they started from."""
        predicted, start = column_means(self.predicted), column_means(self.start)
        # Expression that was normalised twice, or summed in another order, has not changed
        rounding = _ROUNDING * np.maximum(np.abs(predicted), np.abs(start))
        return np.where(np.abs(predicted - start) > rounding, predicted - start, 0.0)

    @cached_property
    def deviation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured and predicted mean against that of the perturbed training conditions."""
        assert self.perturbed_mean is not None
        return column_means(self.real) - self.perturbed_mean, column_means(self.predicted) - self.perturbed_mean

    @cached_property
    def cells(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Measured, predicted and reference cells, at most ``n_cells`` of each."""
        rng = np.random.default_rng(self.seed)
        real, predicted, reference = (
            dense_rows(cells, draw_places(cells.shape[0], self.n_cells, rng))
            for cells in (self.real, self.predicted, self.reference)
        )
        return real, predicted, reference

    @cached_property
    def projected(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Measured, predicted and reference cells in the components, or as they are without these."""
        real, predicted, reference = (
            np.asarray(cells if self.components is None else cells @ self.components, dtype=np.float64)
            for cells in self.cells
        )
        return real, predicted, reference

    @cached_property
    def bandwidth(self) -> float | None:
        """Twice the variance of the reference, the same for all models; ``None`` where it has none."""
        spread = 2.0 * float(self.projected[2].var(axis=0, ddof=1).sum())
        return spread if spread > 0 else None

    @cached_property
    def calls(self) -> tuple[Calls, Calls]:
        """Differential expression of the measured and of the predicted cells, both against the reference."""
        real, predicted, reference = self.cells
        cells = np.concatenate([reference, real, predicted])
        sizes = [len(reference), len(real), len(predicted)]
        tested = de.wilcoxon(cells, np.repeat([0, 1, 2], sizes), reference=0)
        levels = [
            np.log(np.maximum(np.expm1(part), 0.0).mean(0, dtype=np.float64) + _OFFSET)
            for part in (reference, real, predicted)
        ]
        of_real, of_predicted = (
            Calls(
                tested.score[row],
                de.false_discovery_control(tested.pval[row]) < _LEVEL,
                (levels[row] - levels[0]) / np.log(2.0),
            )
            for row in (1, 2)
        )
        return of_real, of_predicted


def _genes(pair: tuple[Any, Any] | None, kept: NDArray[np.intp]) -> tuple[Any, Any] | None:
    return None if pair is None else (pair[0][:, kept], pair[1][:, kept])


def draw_places(n: int, n_cells: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places of at most ``n_cells`` of ``n`` cells, drawn at random where there are more, in ascending order."""
    return np.arange(n) if n <= n_cells else np.sort(rng.choice(n, n_cells, replace=False))
