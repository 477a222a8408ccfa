"""Comparison of predicted with measured cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._checks import as_indices
from scpi.metrics import energy_distance, mmd, score_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base.prediction._predict import PredictionMixin as Host
else:
    Host = object

_MAX_CELLS = 1000


class EvaluationMixin(Host):
    """Scores of predictions against measured cells."""

    def evaluate(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str | Sequence[str] | None = None,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        n_cells: int | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> pd.DataFrame:
        """Compare predicted with measured cells, perturbation by perturbation.

        The controls are divided at random: predictions start from one half, and the measured change is taken against
        the other, so that the noise of a shared control mean does not pass for skill. Where doses are registered, the
        measured ones are predicted in their shares.

        Parameters
        ----------
        adata
            Data with measured cells; the training data if ``None``.
        perturbation
            Labels to evaluate; all that have two cells or more if ``None``.
        indices
            Cells to compare with. If ``None``, all cells of ``adata``, or, for the training data of a model with a test
            set, that test set.
        n_cells
            Most cells of a perturbation, predicted or measured, in the distances; 1,000 if ``None``.
        rng
            Seed or generator of the draws.

        Returns
        -------
        Table with one row a perturbation: ``status``, ``n_cells``, then ``pearson``, ``pearson_top`` (on the 20 most
        changed genes), ``rmse``, ``r2`` and ``sign_accuracy`` of the change of the mean, and ``mmd`` (squared, unbiased)
        and ``energy_distance`` between predicted and measured cells.

        Raises
        ------
        ValueError
            If a perturbation has fewer than two measured cells, or there are fewer than four control cells.
        """
        generator = as_generator(rng)
        own = adata is None
        adata = self._validate_anndata(adata)
        cells = self._cells_to_compare(adata, indices, own=own)
        labels = self._labels(adata)
        wanted = self._conditions_to_compare(labels[cells], perturbation)
        start, reference = self._halve_controls(adata, cells, generator)
        reference_mean = self._to_log_scale(self._expression(adata, reference)).mean(0)
        start_mean = self._to_log_scale(self._expression(adata, start)).mean(0)
        rows = []
        for label in wanted:
            members = cells[labels[cells] == label]
            predicted = np.concatenate(
                [
                    self.predict(
                        adata,
                        perturbation=label,
                        dose=dose,
                        indices=start,
                        n_cells=max(1, round(share * len(start))),
                        # Counts have the noise of measured cells only when they are drawn.
                        sample=self._reads_counts,
                        rng=generator,
                    ).X
                    for dose, share in self._shares_of_doses(adata, members)
                ]
            )
            rows.append(
                {Key.obs.PERTURBATION: label, Key.obs.STATUS: self._status(label), "n_cells": len(members)}
                | _compare(
                    self._to_log_scale(self._expression(adata, members)),
                    self._to_log_scale(predicted),
                    real_control=reference_mean,
                    predicted_control=start_mean,
                    n_cells=n_cells or _MAX_CELLS,
                    rng=generator,
                )
            )
        return pd.DataFrame(rows).set_index(Key.obs.PERTURBATION)

    def _shares_of_doses(self, adata: AnnData | MuData, cells: NDArray[np.int64]) -> list[tuple[float | None, float]]:
        """Doses of measured cells and the share of each, so that the same are predicted."""
        if self.registry["setup_args"].get("dose_key") is None:
            return [(None, 1.0)]
        doses, counts = np.unique(self._doses(adata)[cells], return_counts=True)
        return list(zip(doses.tolist(), (counts / counts.sum()).tolist(), strict=True))

    def _cells_to_compare(
        self, adata: AnnData | MuData, indices: Sequence[int] | NDArray[np.int64] | None, *, own: bool
    ) -> NDArray[np.int64]:
        """Cells of the evaluation."""
        if indices is not None:
            return as_indices(indices, adata.n_obs)
        test = getattr(self, "test_indices", None)
        if own and test is not None and len(test):
            # Held-out conditions have no control of their own: those that training did not see stand in.
            labels = self._labels(adata)
            unseen = np.union1d(test, self.validation_indices if self.validation_indices is not None else [])
            controls = unseen[labels[unseen.astype(np.int64)] == self.control_] if len(unseen) else unseen
            if len(controls) < 4:
                controls = np.flatnonzero(labels == self.control_)
            return np.union1d(test, controls).astype(np.int64)
        return np.arange(adata.n_obs)

    def _conditions_to_compare(
        self, labels: NDArray[np.object_], perturbation: str | Sequence[str] | None
    ) -> list[str]:
        """Canonical labels that have cells."""
        counts = pd.Series(labels).value_counts()
        if perturbation is None:
            enough = sorted(label for label in counts.index[counts >= 2] if label != self.control_)
            if not enough:
                msg = (
                    "No perturbation has two measured cells or more among the given cells: there is nothing to compare."
                )
                raise ValueError(msg)
            return enough
        wanted = [
            self.canonical(label) for label in ([perturbation] if isinstance(perturbation, str) else perturbation)
        ]
        few = [label for label in wanted if counts.get(label, 0) < 2]
        if few:
            msg = f"An evaluation needs two measured cells or more, which {few} do not have among the given cells."
            raise ValueError(msg)
        return wanted

    def _halve_controls(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Two disjoint halves of the control cells."""
        controls = rng.permutation(self._control_cells(adata, context=None, indices=cells))
        if len(controls) < 4:
            msg = f"An evaluation needs at least four control cells, got {len(controls)}."
            raise ValueError(msg)
        return controls[: len(controls) // 2], controls[len(controls) // 2 :]


def _compare(
    real: NDArray[np.float32],
    predicted: NDArray[np.float32],
    *,
    real_control: NDArray[np.float32],
    predicted_control: NDArray[np.float32],
    n_cells: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Scores of one perturbation."""
    scores = score_change(real.mean(0) - real_control, predicted.mean(0) - predicted_control)
    real, predicted = _subsample(real, n_cells, rng), _subsample(predicted, n_cells, rng)
    return {
        **{name: float(value) for name, value in scores.items()},
        "mmd": float(mmd(predicted, real)) if len(predicted) > 1 else np.nan,
        "energy_distance": float(energy_distance(predicted, real)),
    }


def _subsample(cells: NDArray[np.float32], n_cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    return cells if len(cells) <= n_cells else cells[rng.choice(len(cells), n_cells, replace=False)]
