"""Predicted cells, sampled from expected means of a model and measured counts of control cells."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from scpi._keys import Key
from scpi._screen._checks import are_whole
from scpi._screen._expression import log_normalised
from scpi._screen._matrix import stack_rows
from scpi._screen._stored_rows import by_rows
from scpi._slots import find_layer
from scpi._warn import warn_user
from scpi.de import estimate_overdispersion
from scpi.model.base.counts._cells import Cells, parts_of
from scpi.model.base.counts._change import changed_cells
from scpi.model.base.counts._draws import within_totals
from scpi.model.base.counts._match import match_means
from scpi.model.base.counts._output import choose_output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._screen._checks import Scale
    from scpi.model.base.counts._cells import Part
    from scpi.model.base.counts._output import Output
    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.base.setup._conditions import ConditionsMixin as Host
else:
    Host = object

# Number of control cells for detecting the scale of the registered expression, and estimating overdispersion
_N_CELLS = 1000
# Overdispersion of a gene whose counts are not overdispersed, and the largest that is believed: a few cells with many
# counts, among many without any, say nothing of how a gene varies once all cells express it
_LEAST, _MOST = 1e-4, 4.0


class Start(NamedTuple):
    """Measured cells from which predictions start."""

    places: NDArray[np.int64]
    """Positions in the data."""
    cells: Cells
    parts: tuple[Part, ...]
    """The cells of each context or condition, within which means are matched."""


@dataclass
class Source:
    """Source of the counts of predicted cells."""

    output: Output
    """Requested output."""
    counts: Any
    """Counts of all cells, if they are known and not the registered expression, else ``None``."""
    theta: NDArray[np.float64]
    """Inverse overdispersion of each gene in the cells from which predictions start."""
    scaled_total: float = np.inf
    """Largest total of the scaled counts of a cell: nearly the depth to which cells were scaled, or just that."""
    last: Start | None = None
    """The cells of the last prediction, which the next one usually reuses."""


class DrawnCellsMixin(Host):
    """The last step of every prediction: cells that can be analysed like measured cells.

    Subclasses implement ``_predict_cells``, the expected expression of control cells under perturbations. Models of
    counts implement ``_draw_counts``, which changes the counts of each cell by factors.
    """

    scale_: Scale
    """Scale of the registered expression."""

    @abstractmethod
    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        """Expected expression of control cells under a condition, cells x genes, on the registered scale."""

    def _draw_counts(self, asked: Counterfactual, start: Start, theta: NDArray[np.float64]) -> sparse.csr_matrix:
        """Counts of control cells under a condition, cells x genes, sampled with the expected means in each context.

        ``theta`` is the inverse overdispersion of each gene.
        """
        if not asked.design.any():
            return sparse.csr_matrix(start.cells.counts, dtype=np.float32)
        return _with_means(start, [self._predict_cells(asked)], theta, rng=asked.rng)

    def _to_log_scale(self, expression: Any) -> Any:
        """Expression, dense or sparse, on the scale on which predictions are compared with measured cells.

        Counts are compared after normalisation to 10,000 per cell and log1p.
        """
        return log_normalised(expression).astype(np.float32) if self.scale_ == "counts" else expression

    def _source(self, adata: AnnData | MuData, cells: NDArray[np.int64], output: Output | None) -> Source | None:
        """Source of the counts for an output; ``None`` for means.

        ``cells`` are the cells from which predictions start.
        """
        some = cells
        if len(cells) > _N_CELLS:
            some = np.sort(np.random.default_rng(0).choice(cells, _N_CELLS, replace=False))
        counts = self._known_counts(adata, some) if self.scale_ == "logs" else None
        output = choose_output(output, self.scale_, knows_counts=counts is not None)
        if output == "mean":
            return None
        measured = self._measured_cells(adata, some, counts)
        strata = np.unique(self._stratum_codes(adata)[some], return_inverse=True)[1]
        scaled_total = float(measured.scaled_total.max(initial=0.0))
        return Source(output, counts, _inverse_overdispersion(measured, strata), scaled_total)

    def _measured_cells(self, adata: AnnData | MuData, cells: NDArray[np.int64], counts: Any) -> Cells:
        """Counts of cells: registered, known, or inferred from log-normalised expression."""
        rows = self._rows(adata, cells)
        if self.scale_ == "counts":
            return Cells.of_registered_counts(rows)
        return Cells.of_logs(rows) if counts is None else Cells.of_counts(counts[cells], rows)

    def _started_from(self, adata: AnnData | MuData, cells: NDArray[np.int64], source: Source) -> Start:
        """Cells to start from, and their strata."""
        if source.last is None or not np.array_equal(source.last.places, cells):
            measured = self._measured_cells(adata, cells, source.counts)
            source.last = Start(cells, measured, parts_of(measured, self._stratum_codes(adata)[cells]))
        return source.last

    def _made(self, asked: Counterfactual, source: Source | None) -> tuple[Any, Any]:
        """Predicted cells on the requested scale, and their counts if these are known and not the output."""
        if source is None:
            return self._predict_cells(asked), None
        start = self._started_from(asked.adata, asked.cells, source)
        return self._as_asked(self._draw_counts(asked, start, source.theta), start.cells, source, rng=asked.rng)

    def _drawn_with_means(
        self,
        adata: AnnData | MuData,
        cells: NDArray[np.int64],
        expected: Iterable[NDArray[np.float32]],
        source: Source | None,
        *,
        rng: np.random.Generator,
    ) -> tuple[Any, Any]:
        """As :meth:`_made`, from any cells and their expected expression, with means matched in each condition.

        ``expected`` yields blocks of cells.
        """
        if source is None:
            return stack_rows(expected, len(cells)), None
        start = self._started_from(adata, cells, source)
        return self._as_asked(_with_means(start, expected, source.theta, rng=rng), start.cells, source, rng=rng)

    def _as_asked(
        self, counts: sparse.csr_matrix, measured: Cells, source: Source, *, rng: np.random.Generator
    ) -> tuple[Any, Any]:
        if measured.is_linear:
            # The depth of these cells is part of what the model predicts
            return (counts, None) if source.output == "counts" else (self._to_log_scale(counts), counts)
        logs = measured.logs(counts) if source.output == "log" else None
        if source.counts is None:
            return logs, None
        counts = within_totals(counts, measured.largest_totals(source.scaled_total), rng)
        return (counts, None) if logs is None else (logs, counts)

    def _measured_as(self, adata: AnnData | MuData, cells: NDArray[np.int64], source: Source | None) -> Any:
        """Measured cells on the scale of the sampled output, or of the means."""
        if source is not None and source.output == "counts" and source.counts is not None:
            return source.counts[cells]
        rows = self._rows(adata, cells)
        return self._to_log_scale(rows) if source is not None and source.output == "log" else rows

    @property
    def _counts_name(self) -> str:
        """Layer of the counts from which the registered expression was computed."""
        return self.registry["setup_args"].get("counts_layer") or Key.layers.COUNTS

    def _known_counts(self, adata: AnnData | MuData, some: NDArray[np.int64]) -> Any:
        """Counts of all cells beside the registered expression, if both agree in some cells; else ``None``."""
        is_named, modality = self.registry["setup_args"].get("counts_layer") is not None, self._modality(adata)
        if not is_named and self._counts_name not in modality.layers:
            return None
        counts = by_rows(find_layer(modality, self._counts_name))
        part, rows = counts[some], self._rows(adata, some)
        if are_whole(part) and Cells.of_counts(part, rows).explain(rows):
            return counts
        msg = (
            f"The registered expression is not log1p of scaled counts of `layers[{self._counts_name!r}]`: predicted cells are drawn "
            "without these counts. Name the layer of the counts that it was made from (`counts_layer=`)."
        )
        warn_user(msg)
        return None


def _with_means(
    start: Start, expected: Iterable[NDArray[np.float32]], theta: NDArray[np.float64], *, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Sample counts of cells such that the registered expression has the expected mean in each stratum."""
    codes = np.empty(len(start.places), dtype=np.intp)
    for code, part in enumerate(start.parts):
        codes[part.places] = code
    sums, first = np.zeros((len(start.parts), start.cells.counts.shape[1])), 0
    for block in expected:
        own = codes[first : first + len(block)]
        for code in np.unique(own):
            sums[code] += block[own == code].sum(axis=0, dtype=np.float64)
        first += len(block)
    drawn = []
    for total, (places, cells) in zip(sums, start.parts, strict=True):
        change = total / len(places) - cells.level
        drawn.append(changed_cells(cells, match_means(cells, change, theta), theta, rng=rng))
    order = np.concatenate([part.places for part in start.parts])
    return sparse.vstack(drawn, format="csr")[np.argsort(order)]


def _inverse_overdispersion(cells: Cells, strata: NDArray[np.int64]) -> NDArray[np.float64]:
    """Inverse overdispersion of each gene within strata; that of Poisson counts if no stratum has two cells."""
    has_counts = cells.unit > 0
    if cells.counts.nnz == 0 or np.bincount(strata[has_counts], minlength=1).max() < 2:
        return np.full(cells.counts.shape[1], 1.0 / _LEAST)
    found = estimate_overdispersion(cells.counts.tocsr(), groups=strata)
    return 1.0 / np.clip(np.nan_to_num(found), _LEAST, _MOST)
