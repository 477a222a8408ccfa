"""Models trained and scored over splits and seeds."""

from __future__ import annotations

import inspect
import json
import logging
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from sklearn.decomposition import PCA

from scpi._keys import Key
from scpi._screen._checks import check_expression
from scpi._screen._conditions import read_screen
from scpi._screen._matrix import dense_rows
from scpi._screen._split_cells import split_cells
from scpi._slots import find_layer, layer_name, listed
from scpi.benchmark._compare import CEILING
from scpi.benchmark._model_spec import ModelSpec
from scpi.benchmark._scores import ACROSS, SCORES, Prediction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from scpi._screen._conditions import ScreenLabels
    from scpi.benchmark.splits._split import Split
    from scpi.model.base import ScreenModel

logger = logging.getLogger(__name__)

_COMPONENTS = 30


def evaluate(
    adata: AnnData,
    models: Mapping[str, ModelSpec | type[ScreenModel]],
    splits: Sequence[Split],
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: str = "control",
    delimiter: str = "+",
    context_key: str | None = None,
    dose_key: str | None = None,
    layer: str | None = None,
    metrics: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    n_cells: int = 1000,
    ceiling: bool = True,
    out: str | Path | None = None,
) -> pd.DataFrame:
    """Train models on the training cells of splits, and score what they predict of the test cells.

    Every model predicts every condition (context, perturbation and dose) of the test cells, from the control cells of
    the split that predictions start from. Beside the models stands the ceiling: one half of the measured cells in place
    of a prediction of the other half, both noisier than what a model is compared with.

    Parameters
    ----------
    adata
        Annotated data, cells x genes.
    models
        Models by the name that the table gives them: classes, or :class:`ModelSpec` where they need arguments.
    splits
        Divisions of the cells, as the functions of ``scpi.benchmark.splits`` make them.
    perturbation_key, control, delimiter, context_key, dose_key
        What the labels are, as in the ``setup_anndata`` of the models, which get the same.
    layer
        Entry of ``adata.layers`` with log-normalised expression on which all predictions are compared; ``adata.X`` if
        ``None``. Models read it too, unless they name another.
    metrics
        Scores to compute; all if ``None``.
    seeds
        Seeds; each model is trained once a seed.
    n_cells
        Most cells of a kind, measured or predicted, in a comparison: more are drawn from.
    ceiling
        Whether to add the ceiling.
    out
        Folder to keep the result of every training in, by model, split and seed: what is there is not computed again.

    Returns
    -------
    Table with one row a model, split, seed and condition: ``model``, ``split``, ``seed``, ``context``, ``perturbation``,
    ``dose``, ``n_cells`` (measured), ``seconds`` (of training), and the scores. :func:`scpi.benchmark.summarise` averages
    them, with ``pair_by=["split", "seed", "context", "perturbation", "dose"]``.

    Raises
    ------
    KeyError
        If a column or layer does not exist.
    ValueError
        If there is no model or split, a metric is unknown, or the expression is not log-normalised.
    """
    chosen = _check(adata, models, splits, metrics, layer)
    setup: dict[str, Any] = {
        "perturbation_key": perturbation_key,
        "control": control,
        "delimiter": delimiter,
        "context_key": context_key,
        "dose_key": dose_key,
    }
    labels = read_screen(adata, **setup)
    # What models write of their setup is not for the user's data
    own = AnnData(obs=adata.obs.copy(), var=adata.var.copy(), X=adata.X, layers=dict(adata.layers), varm=adata.varm)
    # Predicted cells name the ones that they started from
    own.obs_names = [str(place) for place in range(own.n_obs)]
    candidates = {
        name: model if isinstance(model, ModelSpec) else ModelSpec(model=model) for name, model in models.items()
    }
    if ceiling:
        from scpi.model import Replicate

        candidates[CEILING] = ModelSpec(model=Replicate)
    folder = None if out is None else Path(out)
    tables = []
    for split in splits:
        question = _Question(
            data=own, labels=labels, setup=setup, layer=layer, metrics=chosen, n_cells=n_cells, split=split
        )
        for seed in seeds:
            for name, candidate in candidates.items():
                path = None if folder is None else folder / f"{_file_name(name, split.name, seed)}.json"
                tables.append(_kept_or_new(path, question, name, candidate, seed))
    return pd.concat(tables, ignore_index=True)


def _check(
    adata: AnnData,
    models: Mapping[str, Any],
    splits: Sequence[Split],
    metrics: Sequence[str] | None,
    layer: str | None,
) -> list[str]:
    """Names of the metrics, of arguments that make sense."""
    if not models or not splits:
        msg = f"There are {len(models)} models and {len(splits)} splits: give at least one of each."
        raise ValueError(msg)
    known = [*SCORES, *ACROSS]
    chosen = known if metrics is None else list(metrics)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        msg = f"Unknown metrics {listed(unknown)}: choose from {listed(known)}."
        raise ValueError(msg)
    check_expression(find_layer(adata, layer), logs=True, what=layer_name(layer))
    return chosen


def _file_name(*words: object) -> str:
    return "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in str(word)) for word in words)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Question:
    """What all models are asked of a split."""

    data: AnnData
    labels: ScreenLabels
    setup: Mapping[str, Any]
    layer: str | None
    metrics: Sequence[str]
    n_cells: int
    split: Split

    def expression(self, cells: NDArray[np.int64]) -> NDArray[np.float32]:
        return dense_rows(self._x, cells)

    @cached_property
    def _x(self) -> Any:
        x = find_layer(self.data, self.layer)
        return x.tocsr() if sparse.issparse(x) else x

    def conditions(self) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
        """Every condition of the test cells, and the cells."""
        at = self.labels.where(self.split.test)
        columns = pd.DataFrame(
            {
                "context": self.labels.context[at],
                "perturbation": self.labels.perturbation[at],
                "dose": self.labels.dose[at],
            }
        )
        for values, rows in columns.groupby(list(columns), sort=True).indices.items():
            yield dict(zip(columns, values, strict=True)), self.split.test[rows]

    def strata(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Code of the condition of each of some cells."""
        at = self.labels.where(cells)
        words = zip(
            self.labels.context[at], self.labels.perturbation[at], self.labels.dose[at].astype(str), strict=True
        )
        return np.unique(["\n".join(word) for word in words], return_inverse=True)[1].astype(np.int64)

    def of_context(self, cells: NDArray[np.int64], context: str) -> NDArray[np.int64]:
        return cells[self.labels.context[self.labels.where(cells)] == context]

    def halves(self, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The test cells in two halves, condition by condition."""
        shuffled = [rng.permutation(cells) for _, cells in self.conditions()]
        first, second = ([cells[i::2] for cells in shuffled] for i in (0, 1))
        return np.concatenate(first), np.concatenate(second)

    @cached_property
    def perturbed_mean(self) -> NDArray[np.float64]:
        """Mean over the perturbed training conditions."""
        train = self.split.train
        perturbed = train[~self.labels.is_control[self.labels.where(train)]]
        stratum = self.strata(perturbed)
        weights = 1.0 / np.bincount(stratum)[stratum]
        return np.asarray(weights @ self._x[perturbed]).ravel() / weights.sum()

    @cached_property
    def components(self) -> NDArray[np.float64]:
        """Directions of the principal components of the training cells, genes x components."""
        cells = self._x[self.split.train].astype(np.float64)
        solver = "arpack" if sparse.issparse(cells) else "auto"
        pca = PCA(min(_COMPONENTS, min(cells.shape) - 1), svd_solver=solver, random_state=0).fit(cells)
        return np.asarray(pca.components_.T)


def _kept_or_new(path: Path | None, question: _Question, name: str, candidate: ModelSpec, seed: int) -> pd.DataFrame:
    if path is not None and path.is_file():
        return pd.DataFrame(json.loads(path.read_text()))
    rows = _run(question, candidate, seed, is_ceiling=name == CEILING)
    table = pd.DataFrame([{"model": name, "split": question.split.name, "seed": seed} | row for row in rows])
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(table.to_dict(orient="list")) + "\n")
    logger.info("%s, %s left out, seed %d: done", name, question.split.name, seed)
    return table


def _run(question: _Question, candidate: ModelSpec, seed: int, *, is_ceiling: bool) -> list[dict[str, Any]]:
    """Train a model, and score every condition."""
    rng = np.random.default_rng(seed)
    split = question.split
    drawn, measured = question.halves(rng) if is_ceiling else (split.test[:0], split.test)
    start = time.perf_counter()
    model = _train(question, candidate, np.union1d(split.train, drawn), seed)
    seconds = time.perf_counter() - start
    rows: list[dict[str, Any]] = []
    changes = []
    for condition, cells in question.conditions():
        kept, replicates = np.intersect1d(cells, measured), np.intersect1d(cells, drawn)
        if len(kept) < 2 or (is_ceiling and len(replicates) < 2):
            continue
        # A replicate is not moved control cells: it has as many cells as were measured
        n_predicted = min(len(replicates), question.n_cells) if is_ceiling else None
        real = _at_most(kept, question.n_cells, rng)
        prediction = _predict(question, model, condition, real, seed, n_predicted)
        scores = {name: SCORES[name].of(prediction) for name in question.metrics if name in SCORES}
        rows.append(condition | {"n_cells": len(kept), "seconds": seconds} | scores)
        changes.append(prediction.change)
    for name in question.metrics:
        if name in ACROSS:
            _score_across(name, rows, changes)
    return rows


def _train(question: _Question, candidate: ModelSpec, cells: NDArray[np.int64], seed: int) -> ScreenModel:
    layer = question.layer if candidate.layer is None else candidate.layer
    setup = {key: value for key, value in question.setup.items() if value is not None}
    candidate.model.setup_anndata(question.data, layer=layer, **(setup | dict(candidate.setup)))
    # Networks start from weights of the seed too; baselines take none
    own_seed = {"seed": seed} if "seed" in inspect.signature(candidate.model).parameters else {}
    model = candidate.model(question.data, **(own_seed | dict(candidate.init)))
    part = split_cells(
        question.strata(cells),
        train_size=1.0 - candidate.validation_size,
        validation_size=candidate.validation_size,
        rng=np.random.default_rng(seed),
    )
    indexing = [cells[part.train], cells[part.validation]]
    model.train(**({"seed": seed, "datasplitter_kwargs": {"external_indexing": indexing}} | dict(candidate.train)))
    return model


def _predict(
    question: _Question,
    model: ScreenModel,
    condition: Mapping[str, Any],
    cells: NDArray[np.int64],
    seed: int,
    n_predicted: int | None,
) -> Prediction:
    """Predict a condition."""
    context, rng = condition["context"], np.random.default_rng(seed)
    start, reference = (
        _at_most(question.of_context(controls, context), question.n_cells, rng)
        for controls in (question.split.start, question.split.reference)
    )
    predicted = model.predict(
        perturbation=condition["perturbation"],
        context=None if question.setup["context_key"] is None else context,
        dose=None if question.setup["dose_key"] is None else condition["dose"],
        indices=start,
        n_cells=len(start) if n_predicted is None else n_predicted,
        # Counts have the noise of measured cells only when they are drawn
        sample=model._reads_counts,
        rng=seed,
    )
    return Prediction(
        real=question.expression(cells),
        predicted=_on_scale(question, model, predicted),
        start=question.expression(start),
        reference=question.expression(reference),
        perturbed_mean=question.perturbed_mean,
        components=question.components,
    )


def _on_scale(question: _Question, model: ScreenModel, predicted: AnnData) -> NDArray[np.float32]:
    """Predicted cells on the scale of the evaluation: counts are scaled as those of the cell they started from were."""
    x = np.asarray(predicted.X, dtype=np.float32)
    if not model._reads_counts:
        return x
    sources = question.data.obs_names.get_indexer(predicted.obs[Key.obs.SOURCE_CELL])
    counts = model._expression(question.data, sources).sum(1)
    scaled = np.expm1(question.expression(sources)).sum(1)
    return np.log1p(x * np.divide(scaled, counts, out=np.zeros_like(scaled), where=counts > 0)[:, None])


def _at_most(cells: NDArray[np.int64], n_cells: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return cells if len(cells) <= n_cells else np.sort(rng.choice(cells, n_cells, replace=False))


def _score_across(
    name: str, rows: list[dict[str, Any]], changes: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> None:
    """Tell the conditions of each context from each other."""
    contexts = np.array([row["context"] for row in rows], dtype=object)
    for context in np.unique(contexts):
        own = np.flatnonzero(contexts == context)
        values = np.full(len(own), np.nan)
        if len(own) > 1:
            real, predicted = (np.stack([changes[place][side] for place in own]) for side in (0, 1))
            values = ACROSS[name](real, predicted)
        for place, value in zip(own, values, strict=True):
            rows[place][name] = float(value)
