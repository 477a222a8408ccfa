"""One training and its scores, computed or read from stored results."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd

from scpi._fingerprint import describe, fingerprint
from scpi._keys import Key
from scpi._replace import replaced
from scpi._scoring._bounds import metric_bounds
from scpi._scoring._conventions import N_SPLITS
from scpi._scoring._noise_ceiling import CEILING, PERFECT, noise_ceiling
from scpi._scoring._score import score
from scpi._store import file_stem, read_result, write_result
from scpi._versions import versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anndata import AnnData

    from scpi._scoring._prediction import Prediction
    from scpi.benchmark._model_spec import ModelSpec
    from scpi.benchmark._task import Asked, Task


class Computed(NamedTuple):
    """Scores of a run, with further results."""

    table: pd.DataFrame
    """One row per condition."""
    cells: AnnData | None
    """Predicted cells, if they are to be stored."""
    n_parameters: int | None
    """Number of trainable parameters of the model; ``None`` without a model."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """A model on a split with a seed, or the noise ceiling of the split (``spec`` is ``None``).

    The scores are stored in the folder ``out``, and the predicted cells in ``predictions``, unless these are ``None``.
    """

    name: str
    spec: ModelSpec | None
    task: Task
    seed: int
    out: Path | None = None
    predictions: Path | None = None

    @property
    def title(self) -> str:
        """Name for the progress bar and for errors."""
        return f"{self.name}, {self.task.split.name}, seed {self.seed}"

    def kept(self) -> pd.DataFrame | None:
        """Stored scores, if they exist, and the predictions exist as well if requested."""
        if self.out is None or (
            self.predictions is not None and self.spec is not None and not self._cells_file.is_file()
        ):
            return None
        table = read_result(self._scores_file, self._word)
        if table is None:
            return None
        # The same result may have been stored under other names
        names = {"split": self.task.split.name} | ({} if self.spec is None else {"model": self.name})
        return table.assign(**names)

    def do(self) -> pd.DataFrame:
        """Train and score, and store the results."""
        table, cells, _ = self.compute(keep_cells=self.predictions is not None)
        if cells is not None:
            with replaced(self._cells_file) as scratch:
                cells.write_h5ad(scratch, compression="gzip")
        if self.out is not None:
            made_by = {
                "name": self.name,
                "split": self.task.split.name,
                "seed": self.seed,
                "fingerprint": self._word,
                "versions": versions(),
                "depends_on": self._depends_on,
            }
            write_result(self._scores_file, table, made_by)
        return table

    def compute(self, *, keep_cells: bool) -> Computed:
        """Train and score: rows of the conditions, and the predicted cells of all of them if they are to be stored."""
        if self.spec is None:
            return Computed(self.ceiling(), None, None)
        return self._scores(self.spec, keep_cells=keep_cells)

    def _scores(self, spec: ModelSpec, *, keep_cells: bool) -> Computed:
        """Rows of the conditions predicted by a trained model, and the cells."""
        start = time.perf_counter()
        model = self.task.train(spec, self.seed)
        seconds = time.perf_counter() - start
        asked, cells = self.task.asked(), []

        def predictions() -> Iterator[Prediction]:
            for one in asked:
                predicted = self.task.predict(model, one, seed=self.seed, **spec.predict)
                if keep_cells:
                    cells.append(predicted)
                yield self.task.prediction(predicted, one, seed=self.seed)

        rows = score(predictions(), self.task.metrics)
        table = self._table(self.name, [len(one.cells) for one in asked], rows, seconds)
        n_parameters = sum(one.numel() for one in model.module.parameters() if one.requires_grad)
        return Computed(table, self._joined(asked, cells) if keep_cells else None, n_parameters)

    def ceiling(self, n_splits: int = N_SPLITS) -> pd.DataFrame:
        """Rows of the halves of the measured cells, and of a perfect prediction."""
        asked = self.task.asked()
        measured = (self.task.measured(one, seed=self.seed) for one in asked)
        halves, perfect = noise_ceiling(
            measured, self.task.metrics, n_splits=n_splits, rng=np.random.default_rng(self.seed)
        )
        sizes = [len(one.cells) for one in asked]
        tables = [
            self._table(CEILING, [self.task.n_half(one) for one in asked], halves, 0.0),
            self._table(PERFECT, sizes, perfect, 0.0),
        ]
        return pd.concat(tables, ignore_index=True)

    def bounds(self) -> pd.DataFrame:
        """Rows of the bounds of the dynamic range of each metric on the measured cells."""
        asked = self.task.asked()
        measured = ((self.task.measured(one, seed=self.seed), self.task.others(one, seed=self.seed)) for one in asked)
        found = metric_bounds(measured, self.task.metrics, rng=np.random.default_rng(self.seed))
        sizes = [self.task.n_half(one) for one in asked]
        return pd.concat([self._table(name, sizes, rows, 0.0) for name, rows in found.items()], ignore_index=True)

    def _table(self, name: str, sizes: list[int], rows: list[dict[str, float]], seconds: float) -> pd.DataFrame:
        shared = {"model": name, "split": self.task.split.name, "seed": self.seed}
        return pd.DataFrame(
            [
                shared | self.task.columns(one) | {Key.obs.N_CELLS: size, "seconds": seconds} | row
                for one, size, row in zip(self.task.asked(), sizes, rows, strict=True)
            ]
        )

    def _joined(self, asked: list[Asked], cells: list[AnnData]) -> AnnData:
        """Predicted cells of all conditions, identified in ``obs``."""
        for one, predicted in zip(asked, cells, strict=True):
            for column, value in self.task.columns(one).items():
                predicted.obs[column] = value
        joined = ad.concat(cells, merge="same", index_unique="_") if cells else ad.AnnData()
        joined.uns["made_by"] = {"model": self.name, "split": self.task.split.name, "seed": self.seed}
        return joined

    @cached_property
    def _depends_on(self) -> dict[str, Any]:
        """Everything that the results depend on, as plain data for JSON."""
        task, spec = self.task, self.spec
        split = {
            name: describe(getattr(task.split, name)) for name in ("train", "validation", "test", "start", "reference")
        }
        settings = None
        if spec is not None:
            names = ("model", "layer", "setup", "init", "train", "predict", "validation_size", "is_null")
            settings = {name: describe(getattr(spec, name)) for name in names}
        return {
            "scpi": versions()["scpi"],
            "model": settings,
            "data": task.words.of(spec),
            "labels": describe(task.setup),
            "split": split,
            "layer": task.layer,
            "metrics": list(task.metrics),
            "n_cells": task.n_cells,
            "n_components": task.n_components,
            "exclude_targets": task.exclude_targets,
            "rows": task.rows,
            "seed": self.seed,
        }

    @cached_property
    def _word(self) -> str:
        return fingerprint(self._depends_on)

    @property
    def _stem(self) -> str:
        return file_stem(self.name, self.task.split.name, self.seed, fingerprint=self._word)

    @property
    def _scores_file(self) -> Path:
        assert self.out is not None
        return self.out / f"{self._stem}.json"

    @property
    def _cells_file(self) -> Path:
        assert self.predictions is not None
        return self.predictions / f"{self._stem}.h5ad"
