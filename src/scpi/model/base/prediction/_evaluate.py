"""Comparison of predicted and measured cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._scoring._controls import divide_controls
from scpi._scoring._conventions import EXCLUDE_TARGETS, N_CELLS, N_COMPONENTS, check_conventions
from scpi._scoring._metrics import check_metrics
from scpi._scoring._prediction import Prediction, draw_places
from scpi._scoring._rows import check_rows
from scpi._scoring._score import score
from scpi._scoring._targets import find_targets
from scpi._scoring._training_cells import components_of, others_of, perturbed_mean_of
from scpi._screen._checks import as_indices
from scpi._screen._chosen_rows import choose_rows
from scpi._screen._conditions import Condition
from scpi._sequence import as_list
from scpi.model.base._constants import KEYS
from scpi.model.base.prediction._predict import Counterfactual, draw_cells, stacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scpi._scoring._controls import ReferenceCells
    from scpi._scoring._rows import Rows
    from scpi._screen._conditions import Dose
    from scpi.model.base.counts._mixin import Source
    from scpi.model.base.prediction._predict import PredictionMixin as Host
else:
    Host = object


class EvaluationMixin(Host):
    """Scores of predictions against measured cells."""

    @fill
    def evaluate(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str | Sequence[str] | None = None,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        rows: Rows = "cells",
        metrics: Sequence[str] | str | None = None,
        reference_cells: ReferenceCells | ArrayLike = "apart",
        n_cells: int = N_CELLS,
        n_components: int | None = N_COMPONENTS,
        exclude_targets: bool = EXCLUDE_TARGETS,
        rng: int | np.random.Generator | None = 0,
    ) -> pd.DataFrame:
        """Compare predicted with measured cells, perturbation by perturbation.

        If doses are registered, each perturbation is predicted at its measured doses, in the measured proportions.
        Cells of all contexts are pooled; :func:`scpi.benchmark.evaluate` scores contexts and doses separately.

        Parameters
        ----------
        adata
            Data with measured cells; the training data if ``None``.
        perturbation
            Labels to evaluate. If ``None``, all with at least two cells, or with a profile.
        indices
            Cells to compare with. If ``None``, all cells of ``adata``; for the training data of a model with a test
            set, the cells of the test set.
        %(rows)s
        %(metrics)s
        %(reference_cells)s
        %(n_cells)s
        n_components
            Number of principal components for distances between cells, fitted to the training cells, or to all cells of
            other data. If ``None``, distances are computed on genes.
        %(exclude_targets)s
        rng
            Seed or generator of the draws.

        Returns
        -------
        Table with one row per perturbation: ``status``, as in :meth:`predict` (not ``"trained"`` if the perturbation was
        not trained in all contexts of the compared cells), ``n_cells`` and the metrics.

        Raises
        ------
        ValueError
            If a perturbation has fewer than two measured cells, there are fewer than four control cells, or a metric is
            unknown. If rows are conditions: if a perturbation has no profile, the control has too few profiles, or a
            metric compares cells.
        """
        generator = as_generator(rng)
        chosen = check_metrics(metrics, rows)
        check_rows(rows, None)
        check_conventions(n_cells, n_components)
        self._check_if_trained(warn=False)
        own = adata is None
        adata = self._validate_anndata(adata)
        cells = self._cells_to_compare(adata, indices, own=own)
        labels = self._labels(adata)
        wanted = self._conditions_to_compare(labels[cells], perturbation, rows)
        controls = self._control_cells(adata, context=None, indices=cells)
        start, reference = divide_controls(controls, reference_cells, generator, rows=rows)
        start = start[draw_places(len(start), n_cells, generator)]
        seed = int(generator.integers(2**31))
        measured = self._measured_conditions(
            cells,
            wanted,
            reference,
            adata=adata,
            metrics=chosen,
            n_cells=n_cells,
            n_components=n_components,
            exclude_targets=exclude_targets,
            seed=seed,
        )
        members = {label: cells[labels[cells] == label] for label in wanted}
        source = self._source(adata, start, None if rows == "cells" else "mean")
        predictions = (
            replace(one, **self._predict_measured(adata, label, members[label], start, source, generator))
            for label, one in zip(wanted, measured, strict=True)
        )
        status = [self._status(label, self._contexts_of(adata, members[label])) for label in wanted]
        scores = [
            {Key.obs.PERTURBATION: label, Key.obs.STATUS: known, Key.obs.N_CELLS: len(members[label])} | row
            for label, known, row in zip(wanted, status, score(predictions, chosen), strict=True)
        ]
        return pd.DataFrame(scores).set_index(Key.obs.PERTURBATION)

    def _measured_conditions(
        self,
        cells: NDArray[np.int64],
        wanted: Sequence[str],
        reference: NDArray[np.int64],
        *,
        adata: AnnData | MuData | None = None,
        metrics: Sequence[str],
        n_cells: int,
        n_components: int | None,
        exclude_targets: bool,
        seed: int,
    ) -> Iterator[Prediction]:
        """Measured cells of labels, and the reference controls of their change, without a prediction."""
        adata = self.adata if adata is None else adata
        labels = self._labels(adata)

        def read(rows: NDArray[np.int64]) -> Any:
            return self._compared_rows(adata, rows)

        train = self._training_cells(adata)
        perturbed = train[labels[train] != self.control_]
        strata = self._stratum_codes(adata)[perturbed]
        shared: dict[str, Any] = {
            "reference": read(reference),
            "perturbed_mean": perturbed_mean_of(read, perturbed, strata, metrics),
            "components": components_of(read, train, n_components, metrics),
            "n_cells": n_cells,
            "seed": seed,
        }
        nothing = shared["reference"][:0]
        genes = self._modality(adata).var_names
        for label in wanted:
            real = read(cells[labels[cells] == label])
            members = self.labelling.members(label)
            shared["targets"] = find_targets(genes, members, exclude_targets=exclude_targets)
            others = others_of(read, perturbed, labels[perturbed], label, n_cells=n_cells, seed=seed)
            yield Prediction(real=real, predicted=nothing, start=nothing, others=others, **shared)

    def _compared_rows(self, adata: AnnData | MuData, rows: NDArray[np.int64]) -> Any:
        """Cells on the scale of the comparison, as from :func:`scpi._screen._chosen_rows.choose_rows`."""
        return choose_rows(self._field(adata, KEYS.X), rows, self._to_log_scale)

    def _training_cells(self, adata: AnnData | MuData) -> NDArray[np.int64]:
        """Cells that the model learned from, or all cells of other data."""
        if adata is not self.adata:
            return np.arange(adata.n_obs)
        sets = [getattr(self, name, None) for name in ("train_indices", "validation_indices")]
        known = [cells for cells in sets if cells is not None]
        return np.unique(np.concatenate(known)).astype(np.int64) if known else np.arange(adata.n_obs)

    def _predict_measured(
        self,
        adata: AnnData | MuData,
        label: str,
        cells: NDArray[np.int64],
        start: NDArray[np.int64],
        source: Source | None,
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Predicted cells of a label at the doses of measured cells, and the controls that each started from."""
        doses: list[tuple[Dose | None, float]] = [(None, 1.0)]
        if self.has_doses:
            state = self._state_of(adata, KEYS.CONDITION)
            codes, counts = np.unique(self._condition_codes(adata)[cells], return_counts=True)
            measured = [Condition(label, tuple(state["doses"][code])).dose(self.labelling) for code in codes]
            doses = list(zip(measured, (counts / len(cells)).tolist(), strict=True))
        asked = []
        for dose, fraction in doses:
            self._check_dose(dose)
            members = self._members_of(label, dose)
            chosen = draw_cells(start, max(1, round(fraction * len(start))), rng)
            asked.append(Counterfactual(adata, chosen, members, rng))
        predicted = stacked([self._made(one, source)[0] for one in asked])
        return {
            "predicted": self._to_log_scale(predicted),
            "start": self._to_log_scale(self._rows(adata, np.concatenate([one.cells for one in asked]))),
        }

    def _cells_to_compare(
        self, adata: AnnData | MuData, indices: Sequence[int] | NDArray[np.int64] | None, *, own: bool
    ) -> NDArray[np.int64]:
        """Cells of the evaluation."""
        if indices is not None:
            return as_indices(indices, adata.n_obs)
        test = getattr(self, "test_indices", None)
        if own and test is not None and len(test):
            # Held-out conditions have no controls of their own: use those that were not trained on
            labels = self._labels(adata)
            unseen = np.union1d(test, self.validation_indices if self.validation_indices is not None else [])
            controls = unseen[labels[unseen.astype(np.int64)] == self.control_] if len(unseen) else unseen
            if len(controls) < 4:
                controls = np.flatnonzero(labels == self.control_)
            return np.union1d(test, controls).astype(np.int64)
        return np.arange(adata.n_obs)

    def _conditions_to_compare(
        self, labels: NDArray[np.object_], perturbation: str | Sequence[str] | None, rows: Rows
    ) -> list[str]:
        """Canonical labels with enough cells or profiles."""
        counts = pd.Series(labels).value_counts()
        least, what = (2, "two measured cells or more") if rows == "cells" else (1, "a measured profile")
        # If every label has one row, the rows are profiles, not cells
        advice = " If rows are profiles of conditions, call it with `rows='conditions'`." if rows == "cells" else ""
        if perturbation is None:
            enough = sorted(label for label in counts.index[counts >= least] if label != self.control_)
            if not enough:
                msg = f"No perturbation has {what} among the given cells: there is nothing to compare.{advice}"
                raise ValueError(msg)
            return enough
        wanted = [self.canonical(label) for label in as_list(perturbation)]
        few = [label for label in wanted if counts.get(label, 0) < least]
        if few:
            msg = f"An evaluation needs {what}, which {few} do not have among the given cells.{advice}"
            raise ValueError(msg)
        return wanted
