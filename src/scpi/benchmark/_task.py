"""The task of models on a split: conditions to predict, and cells to compare with."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._scoring._bounds import Others
from scpi._scoring._conventions import check_conventions
from scpi._scoring._prediction import Prediction, draw_places
from scpi._scoring._rows import check_rows, given_halves, read_halves, refuse_conditions
from scpi._scoring._targets import find_targets
from scpi._scoring._training_cells import components_of, others_of, perturbed_mean_of
from scpi._screen._checks import check_expression
from scpi._screen._chosen_rows import choose_rows, column_means
from scpi._screen._conditions import read_screen
from scpi._screen._matrix import as_matrix
from scpi._screen._split import split_cells
from scpi._screen._stored_rows import checked_rows
from scpi._sequence import as_list
from scpi._slots import find_layer, layer_name, read_layer
from scpi.benchmark._data_words import DataWords
from scpi.benchmark._lean_data import lean_data
from scpi.benchmark._matched_null import without_information
from scpi.model.base.counts._cells import Cells

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi._scoring._rows import Halves, Rows
    from scpi._screen._conditions import Condition, ScreenLabels
    from scpi._screen._split import Split
    from scpi.benchmark._model_spec import ModelSpec
    from scpi.model.base import ScreenModel


class Asked(NamedTuple):
    """A condition to predict in a context, and its measured cells."""

    context: str
    condition: Condition
    cells: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """A split of a screen, and the scoring of its predictions.

    The cells of ``data`` are named by their position. ``x`` is the expression in ``layer`` on which predictions are
    compared, in memory or read on demand, and ``words`` are hashes of the parts of the data. All models get ``setup``
    as arguments of ``setup_anndata``. If ``rows`` are conditions, "cells" are profiles, which may have ``halves``.
    """

    data: AnnData
    x: Any
    words: DataWords
    labels: ScreenLabels
    setup: Mapping[str, Any]
    layer: str | None
    metrics: Sequence[str]
    n_cells: int
    n_components: int | None
    exclude_targets: bool
    rows: Rows
    halves: Halves | None
    split: Split

    def asked(self) -> list[Asked]:
        """Every condition of the test cells, by context, label and dose."""
        at = self.labels.where(self.split.test)
        strata = self.labels.stratum[at]
        order = np.argsort(strata, kind="stable")
        found = [
            Asked(
                str(self.labels.context[at[rows[0]]]),
                self.labels.conditions[self.labels.condition[at[rows[0]]]],
                self.split.test[rows],
            )
            for rows in np.split(order, np.flatnonzero(np.diff(strata[order])) + 1)
        ]
        return sorted(found, key=lambda one: (one.context, one.condition.label, one.condition.doses))

    def columns(self, one: Asked) -> dict[str, Any]:
        """Columns of a table that identify the condition of a row."""
        return {
            "context": one.context,
            "perturbation": one.condition.label,
            "dose": one.condition.dose_name(self.labels.labelling),
        }

    def measured(self, one: Asked, *, seed: int) -> Prediction:
        """Measured cells of a condition without a prediction."""
        controls = self._of_context(self.split.reference, one.context)
        reference = self._reference(one.context)
        members = self.labels.labelling.members(one.condition.label)
        return Prediction(
            real=self._read(one.cells),
            predicted=reference[:0],
            start=reference[:0],
            reference=reference,
            context=one.context,
            perturbed_mean=self._perturbed_mean,
            others=self._others(one.condition.label, seed),
            targets=find_targets(self.data.var_names, members, exclude_targets=self.exclude_targets),
            components=self._components,
            n_cells=self.n_cells,
            seed=seed,
            **self._given_halves(one, controls, reference),
        )

    def n_half(self, one: Asked) -> int:
        """Number of rows in a half of the measured rows."""
        given = None if self.halves is None else self.halves.at(one.cells)
        return len(one.cells) // 2 if given is None else given[0].shape[0]

    def _given_halves(self, one: Asked, controls: NDArray[np.int64], reference: Any) -> dict[str, Any]:
        """Given halves of profiles, and their reference controls."""
        if self.rows == "cells":
            return {}
        return given_halves(self.halves, one.cells, controls, reference)

    def build(self, spec: ModelSpec, seed: int) -> ScreenModel:
        """Set a model up, and build it."""
        # Without combinations, the delimiter is `None`; other missing arguments have the defaults of the model
        setup = {key: value for key, value in self.setup.items() if value is not None or key == "delimiter"}
        layer = self.layer if spec.layer is None else spec.layer
        spec.model.setup_anndata(self.data, layer=layer, **(setup | dict(spec.setup)))
        # The seed also determines the initial weights of networks; baselines have none
        own_seed = {"seed": seed} if "seed" in inspect.signature(spec.model).parameters else {}
        return spec.model(self.data, **(own_seed | dict(spec.init)))

    def train(self, spec: ModelSpec, seed: int) -> ScreenModel:
        """Train a model on the training cells."""
        model = (without_information(self, seed) if spec.is_null else self).build(spec, seed)
        cells = self.split.train
        part = split_cells(
            self.labels.stratum[self.labels.where(cells)],
            train_size=1.0 - spec.validation_size,
            validation_size=spec.validation_size,
            rng=np.random.default_rng(seed),
        )
        indexing = [cells[part.train], np.concatenate([cells[part.validation], self.split.validation])]
        arguments = {"seed": seed, "datasplitter_kwargs": {"external_indexing": indexing}, "enable_progress_bar": False}
        model.train(**(arguments | dict(spec.train)))
        return model

    def predict(self, model: ScreenModel, one: Asked, *, seed: int, **kwargs: Any) -> AnnData:
        """Predict a condition from the controls of its context, on the scale of the comparison."""
        start = self._of_context(self.split.start, one.context)
        start = start[draw_places(len(start), self.n_cells, np.random.default_rng(seed))]
        predicted = model.predict(
            perturbation=one.condition.label,
            context=None if self.setup["context_key"] is None else one.context,
            dose=None if self.setup["dose_key"] is None else one.condition.dose(self.labels.labelling),
            indices=start,
            n_cells=len(start),
            rng=seed,
            **({} if self.rows == "cells" else {"output": "mean"}) | kwargs,
        )
        output = predicted.uns[Key.uns.PREDICTION]["output"]
        if output == "mean" and model.scale_ == "counts":
            msg = (
                "Expected counts cannot be compared with measured logarithms, as the logarithm of a mean is not the mean of "
                "logarithms: leave `output='mean'` out of `predict`."
            )
            raise ValueError(msg)
        if output == "counts":
            predicted.layers[Key.layers.COUNTS] = predicted.X
            predicted.X = self._scaled(model, predicted)
            predicted.obs[Key.obs.PREDICTED_OUTPUT] = pd.Categorical(["log"] * predicted.n_obs)
        return predicted

    def prediction(self, predicted: AnnData, one: Asked, *, seed: int) -> Prediction:
        """Pair predicted with measured cells."""
        start = self._read(self._sources(predicted))
        return replace(self.measured(one, seed=seed), predicted=predicted.X, start=start)

    @cached_property
    def _perturbed_mean(self) -> NDArray[np.float64] | None:
        """Mean over the perturbed training conditions."""
        cells = self._perturbed
        return perturbed_mean_of(self._read, cells, self.labels.stratum[self.labels.where(cells)], self.metrics)

    def _others(self, label: str, seed: int) -> Callable[[], Any] | None:
        """Function that reads perturbed training cells with other labels."""
        cells = self._perturbed
        labels = self.labels.perturbation[self.labels.where(cells)]
        return others_of(self._read, cells, labels, label, n_cells=self.n_cells, seed=seed)

    def others(self, one: Asked, *, seed: int) -> Others | None:
        """Other perturbed training conditions, of the same context if there are any; ``None`` without."""
        changes, strata = self._changes, self._strata
        own = int(strata[self.labels.where(one.cells[:1])[0]])
        everywhere = list(changes)
        here = [code for code in everywhere if changes[code][0] == one.context]
        known = here if set(here) - {own} else everywhere
        codes = [code for code in known if code != own]
        if not codes:
            return None
        cells = self._perturbed[np.isin(strata[self.labels.where(self._perturbed)], codes)]
        return Others(
            partial(self._read, cells[draw_places(len(cells), self.n_cells, np.random.default_rng(seed))]),
            np.mean([changes[code][1] for code in codes], axis=0),
            np.mean([changes[code][1] for code in known], axis=0),
        )

    @cached_property
    def _strata(self) -> NDArray[np.int64]:
        """Code of the condition and context of each cell that has labels."""
        return self.labels.stratum

    @cached_property
    def _changes(self) -> dict[int, tuple[str, NDArray[np.float64]]]:
        """Context and change of the mean of each perturbed training condition, by its code."""
        cells, train = self._perturbed, self.split.train
        at = self.labels.where(cells)
        controls = train[self.labels.is_control[self.labels.where(train)]]
        found = {}
        for code in np.unique(self._strata[at]):
            members = self._strata[at] == code
            context = str(self.labels.context[at[members][0]])
            own = self._of_context(controls, context)
            found[int(code)] = (context, self._mean_of(cells[members]) - self._mean_of(own if len(own) else controls))
        return found

    @cached_property
    def _perturbed(self) -> NDArray[np.int64]:
        """Perturbed training cells."""
        train = self.split.train
        return train[~self.labels.is_control[self.labels.where(train)]]

    @cached_property
    def _components(self) -> NDArray[np.float64] | None:
        """Directions of the principal components of the training cells."""
        return components_of(self._read, self.split.train, self.n_components, self.metrics)

    def _read(self, cells: NDArray[np.int64]) -> Any:
        return choose_rows(self.x, cells)

    def _mean_of(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        return column_means(self._read(cells))

    def _reference(self, context: str) -> Any:
        """Reference controls of a context, cached for consecutive conditions of the context."""
        if context not in self._references:
            self._references.clear()
            self._references[context] = self._read(self._of_context(self.split.reference, context))
        return self._references[context]

    @cached_property
    def _references(self) -> dict[str, Any]:
        return {}

    def _of_context(self, cells: NDArray[np.int64], context: str) -> NDArray[np.int64]:
        return cells[self.labels.context[self.labels.where(cells)] == context]

    def _sources(self, predicted: AnnData) -> NDArray[np.intp]:
        """Control cell that each predicted cell started from."""
        return self.data.obs_names.get_indexer(predicted.obs[Key.obs.SOURCE_CELL])

    def _scaled(self, model: ScreenModel, predicted: AnnData) -> Any:
        """Logarithms of predicted counts, scaled like the cell from which each prediction started."""
        sources = self._sources(predicted)
        return Cells.of_counts(model._rows(self.data, sources), self.x[sources]).logs(
            predicted.layers[Key.layers.COUNTS]
        )


def make_tasks(
    adata: AnnData,
    splits: Sequence[Split] | Split,
    *,
    setup: Mapping[str, Any],
    layer: str | None,
    metrics: Sequence[str],
    n_cells: int,
    n_components: int | None,
    exclude_targets: bool,
    rows: Rows = "cells",
    halves: tuple[str, str] | None = None,
) -> list[Task]:
    """Read and check a screen, without modifying it, and create the tasks of its splits.

    A `KeyError` is raised if a column or layer does not exist, and a `ValueError` if there is no split, ``n_cells`` or
    ``n_components`` is too small, the expression is not log-normalised, or ``rows`` does not match the data.
    """
    given = as_list(splits)
    if not given:
        msg = "There are 0 splits: give at least one, as the functions of `scpi.benchmark.splits` make them."
        raise ValueError(msg)
    check_conventions(n_cells, n_components)
    check_rows(rows, halves)
    check_expression(find_layer(adata, layer), logs=True, what=layer_name(layer))
    # A copy, as models write their setup to the data, and with positions as names, to which predicted cells refer
    data = lean_data(adata, adata.obs.set_axis([str(place) for place in range(adata.n_obs)]))
    labels = read_screen(data, **setup)
    if rows == "cells":
        refuse_conditions(labels.stratum, labels.is_control)
    shared: dict[str, Any] = {
        "data": data,
        # Read once for all splits: row access to a column-wise matrix is slow
        "x": checked_rows(find_layer(data, layer), as_matrix),
        "words": DataWords(data, setup, layer, halves),
        "labels": labels,
        "setup": setup,
        "layer": layer,
        "metrics": metrics,
        "n_cells": n_cells,
        "n_components": n_components,
        "exclude_targets": exclude_targets,
        "rows": rows,
        "halves": read_halves(partial(read_layer, data), halves),
    }
    return [Task(split=split, **shared) for split in given]
