"""Parameters of a pilot for simulating larger experiments: its control cells, effects, replicates and guides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._groups import plan_comparisons
from scpi._screen._checks import value_range
from scpi._screen._matrix import sums
from scpi._screen._spellings import find_label
from scpi._slots import listed
from scpi.de import estimate_overdispersion
from scpi.design._effect_sizes import EffectSizes, learn_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi._view import View

    Floats = NDArray[np.float64]

# Inverse overdispersion that is equivalent to none, and minimum number of cells to estimate the change in a sample
_MOST_SIZE = 1e6
_FEWEST_CELLS = 3
# Drawn numbers have 64 bits, far more than a count of a gene in a cell needs
_LARGEST = 1e12


@dataclass(frozen=True, eq=False)
class Pilot:
    """Counts of the cells of a screen with their groups, samples and guides; the last group is the control."""

    counts: Any
    """Cells x genes, CSR."""
    codes: NDArray[np.intp]
    """Group of each cell; negative for cells that are left out."""
    names: list[str]
    """Names of the groups other than the control."""
    reference: str
    """Name of the control."""
    sample: NDArray[np.intp]
    """Sample of each cell; 0 without samples."""
    guide: NDArray[np.intp]
    """Guide of each cell; 0 without guides."""

    @classmethod
    def read(
        cls,
        view: View,
        groupby: str,
        *,
        reference: Label,
        groups: Label | Sequence[Label],
        sample_key: str | None,
        guide_key: str | None,
    ) -> Pilot:
        """Read the data of a public function. Cells without a sample or a guide are left out."""
        plan = plan_comparisons(view.labels(groupby), groupby, groups, reference, 2)
        codes, extra = plan.codes.copy(), []
        for key in (sample_key, guide_key):
            labels = None if key is None else view.labels(key).codes.astype(np.intp)
            extra.append(np.zeros(len(codes), dtype=np.intp) if labels is None else labels)
            codes[extra[-1] < 0] = -1
        return cls(_counts(view), codes, plan.tested, plan.reference_name, *extra)

    @classmethod
    def of_controls(
        cls, view: View, groupby: str, *, reference: Label, names: list[str], sample_key: str | None
    ) -> Pilot:
        """Read the control cells only, from which groups of these names are simulated."""
        labels = view.labels(groupby)
        control = find_label(reference, labels.categories)
        if control not in labels.categories:
            msg = (
                f"`reference` must be a group of `obs[{groupby!r}]`, {listed(labels.categories)}, but is {reference!r}."
            )
            raise ValueError(msg)
        is_control = np.asarray(labels == control)
        sample = np.zeros(len(labels), dtype=np.intp)
        if sample_key is not None:
            sample = view.labels(sample_key).codes.astype(np.intp)
        codes = np.where(is_control & (sample >= 0), len(names), -1)
        none = np.zeros(len(labels), dtype=np.intp)
        return cls(_counts(view), codes, names, control, sample, none)

    @cached_property
    def library(self) -> Floats:
        """Total count of each cell."""
        return sums(self.counts, axis=1)

    @cached_property
    def controls(self) -> dict[int, NDArray[np.intp]]:
        """Control cells of each sample with enough of them, by its code."""
        cells = np.flatnonzero((self.codes == len(self.names)) & (self.library > 0))
        found = {int(code): cells[self.sample[cells] == code] for code in np.unique(self.sample[cells])}
        return {code: cells for code, cells in found.items() if len(cells) >= _FEWEST_CELLS}

    @cached_property
    def rates(self) -> dict[int, Floats]:
        """Fraction of each gene in the counts of the control cells, by sample."""
        return {
            code: sums(self.counts[cells], axis=0) / self.library[cells].sum() for code, cells in self.controls.items()
        }

    @cached_property
    def size(self) -> Floats:
        """Inverse overdispersion of each gene among the control cells of a sample."""
        cells = np.concatenate(list(self.controls.values()))
        found = estimate_overdispersion(self.counts[cells], groups=self.sample[cells])
        return np.asarray(1.0 / np.maximum(found, 1.0 / _MOST_SIZE))

    def mean_counts(self) -> Floats:
        """Mean count of each gene in control cells."""
        cells = np.concatenate(list(self.controls.values()))
        return sums(self.counts[cells], axis=0) / len(cells)

    def effects(self, rng: np.random.Generator) -> tuple[EffectSizes, float]:
        """Log fold changes of the groups, and the variance of those of a gene between samples."""
        changes = [self._changes(self.codes == code) for code in range(len(self.names))]
        between = _variance_between(changes)
        means, variances = [], []
        for estimate, variance in changes:
            means.append(estimate.mean(axis=0))
            variances.append((variance.mean(axis=0) + between) / len(estimate))
        return learn_sizes(np.array(means), np.array(variances), rng), between

    def efficacies(self, effects: EffectSizes) -> list[Floats]:
        """Effect of each guide of each group, relative to the mean of its guides; 1 if guides do not differ."""
        return [self._of_guides(code, effects) for code in range(len(self.names))]

    def _changes(self, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Log fold changes of cells against the controls of their sample, samples x genes, and their squared errors."""
        found = []
        for code, controls in self.controls.items():
            cells = np.flatnonzero(mask & (self.sample == code) & (self.library > 0))
            if len(cells) >= min(_FEWEST_CELLS, int(mask.sum())):
                (log, error), (log_control, error_control) = self._log_rate(cells), self._log_rate(controls)
                found.append((log - log_control, error + error_control))
        if not found:
            msg = "No sample has cells both of the control and of a perturbation: the pilot cannot show its effect."
            raise ValueError(msg)
        return np.array([one for one, _ in found]), np.array([error for _, error in found])

    def _log_rate(self, cells: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Logarithm of the rate of each gene in some cells, and its squared standard error between cells."""
        counts, library = self.counts[cells].astype(np.float64), self.library[cells]
        total, rate = sums(counts, axis=0), sums(counts, axis=0) / library.sum()
        residual = (
            sums(counts.multiply(counts).tocsr(), axis=0)
            - 2.0 * rate * (counts.T @ library)
            + np.square(rate) * np.square(library).sum()
        )
        # Few counts vary by chance at least as much as a Poisson variable
        counted = total + 0.5
        return np.log(counted / library.sum()), np.maximum(residual, counted) / np.square(counted)

    def _of_guides(self, code: int, effects: EffectSizes) -> Floats:
        cells = self.codes == code
        guides = np.unique(self.guide[cells])
        expected, weight = effects.estimate[code], 1.0 / effects.variance[code]
        if len(guides) < 2:
            return np.ones(1)
        slopes, errors = [], []
        for guide in guides:
            estimate, variance = (part.mean(axis=0) for part in self._changes(cells & (self.guide == guide)))
            squared = weight @ np.square(expected)
            slopes.append(weight @ (expected * estimate) / squared)
            errors.append(np.square(weight * expected) @ variance / squared**2)
        # Subtract the spread of the slopes that is due to noise
        spread = float(np.var(slopes, ddof=1))
        kept = max(1.0 - float(np.mean(errors)) / spread, 0.0) if spread > 0 else 0.0
        middle = float(np.mean(slopes))
        return np.asarray(np.maximum(1.0 + kept * (np.array(slopes) - middle) / max(abs(middle), 0.1), 0.0))


def _counts(view: View) -> sparse.csr_matrix:
    """Check and return counts from which others can be drawn."""
    counts = sparse.csr_matrix(view.counts)
    _, largest = value_range(counts)
    if largest > _LARGEST:
        msg = f"`{view.name}` must be at most {_LARGEST:.0e}, but has {largest:.3g}. Are these counts?"
        raise ValueError(msg)
    return counts


def _variance_between(changes: list[tuple[Floats, Floats]]) -> float:
    """Estimate the variance of log fold changes between samples beyond the noise of their cells, for all genes."""
    excess, weight = [], []
    for estimate, variance in changes:
        if len(estimate) > 1:
            noise = variance.mean(axis=0)
            excess.append(estimate.var(axis=0, ddof=1) - noise)
            weight.append(1.0 / np.square(noise))
    if not excess:
        return 0.0
    return max(float(np.average(np.concatenate(excess), weights=np.concatenate(weight))), 0.0)
