"""What a public function is given, resolved once: the modality, the layer, the labels, and counts or logarithms."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import pandas as pd

from scpi._keys import Key
from scpi._layer_of_counts import layer_of_counts
from scpi._mudata import resolve_modality
from scpi._screen._blocks import Transformed
from scpi._screen._checks import check_counts, check_not_empty, scale_of
from scpi._screen._expression import Expression, prepare_expression
from scpi._screen._matrix import as_matrix, is_stored
from scpi._screen._stored_rows import checked_rows
from scpi._sequence import as_list
from scpi._slots import check_key_added, find_column, find_layer, layer_name, read_labels
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


@dataclass(frozen=True)
class View:
    """Data as a public function was given them. Each part is read when it is first asked for, and then kept."""

    data: AnnData | MuData
    """What was given."""
    adata: AnnData
    """The modality that the function works on, or what was given."""
    mod: str | None = None
    """Name of the modality."""
    layer: str | None = None
    """Layer of the expression; `X` if `None`."""

    @classmethod
    def of(cls, data: AnnData | MuData, mod: str | None = None, layer: str | None = None) -> View:
        """Resolve the modality ``mod`` of a MuData."""
        return cls(data, resolve_modality(data, mod), mod, layer)

    @classmethod
    def to_write(cls, data: AnnData | MuData, mod: str | None, layer: str | None = None, *, key_added: str) -> View:
        """As :meth:`of`, for a function that stores its result; a `ValueError` if no file can hold the name."""
        check_key_added(key_added)
        return cls.of(data, mod, layer)

    def of_counts(self) -> Self:
        """The same data, with the layer of the counts where none was named: see :mod:`scpi._layer_of_counts`."""
        return replace(self, layer=layer_of_counts(self.adata, self.layer))

    @property
    def name(self) -> str:
        """What messages call the expression."""
        return layer_name(self.layer)

    @cached_property
    def source(self) -> Any:
        """Expression as it is stored, in memory or not; a `KeyError` if there is no such layer, or a `ValueError` if none.

        A warning says if some of it is a prediction of means.
        """
        check_not_empty(self.adata)
        source = find_layer(self.adata, self.layer)
        if source is None:
            msg = f"`{self.name}` is empty: name the layer to use with `layer=`."
            raise ValueError(msg)
        # A column of `obs`, not an entry of `uns`, is still there when cells have been concatenated
        output = self.adata.obs.get(Key.obs.PREDICTED_OUTPUT)
        if self.layer is None and output is not None and (output == "mean").any():
            msg = (
                "The expression is what a model expects of cells, not cells: tests, clusters and attributions of it mean "
                "little, as it lacks the noise and the zeros of measured cells. Call `model.predict` without "
                "`output='mean'`."
            )
            warn_user(msg)
        return source

    @cached_property
    def matrix(self) -> Any:
        """Expression in memory, CSR or dense."""
        return as_matrix(self.source, name=self.name)

    @cached_property
    def counts(self) -> Any:
        """Counts in memory, CSR or dense; a `ValueError` if the expression is something else."""
        return self.check_counts(self.matrix)

    @property
    def stored_counts(self) -> Any:
        """Counts that stay where they are, if not in memory: their blocks are checked when they are read."""
        if not is_stored(self.source):
            return self.counts
        return Transformed(self.source, lambda block: self.check_counts(block.values))

    @cached_property
    def rows_of_counts(self) -> Any:
        """Counts, all checked: in memory, or rows that are read when they are asked for."""
        return checked_rows(self.source, self.check_counts) if is_stored(self.source) else self.counts

    def check_counts(self, values: Any) -> Any:
        """Read some or all cells of the expression, which have to be counts."""
        with self.pointing_to_raw():
            return check_counts(values, name=self.name)

    def expression(self) -> Expression:
        """Expression in memory for a classifier, as of :func:`scpi._screen._expression.prepare_expression`."""
        return self._expression(self.matrix, "expression", "auto")

    def stored_expression(
        self, takes: Literal["expression", "counts"] = "expression", transform: Literal["auto", "none"] = "auto"
    ) -> Expression:
        """Expression for a test that reads blocks: as :meth:`expression`, but what is not in memory stays there."""
        return self._expression(self.source if is_stored(self.source) else self.matrix, takes, transform)

    def _expression(
        self, values: Any, takes: Literal["expression", "counts"], transform: Literal["auto", "none"]
    ) -> Expression:
        log_base = self.adata.uns["log1p"].get("base") if "log1p" in self.adata.uns else None
        with self.pointing_to_raw():
            return prepare_expression(values, takes=takes, transform=transform, log_base=log_base, name=self.name)

    @contextmanager
    def pointing_to_raw(self) -> Iterator[None]:
        """Add to an error about the expression where there is something better."""
        try:
            yield
        except ValueError as error:
            if advice := self.raw_advice:
                msg = f"{error}{advice}"
                raise ValueError(msg) from None
            raise

    @property
    def raw_advice(self) -> str:
        """Sentence that names `adata.raw`, where `X` is given and `raw` holds counts or logarithms; else empty."""
        raw = self.adata.raw
        scale = None if raw is None or self.layer is not None else scale_of(raw.X)
        kinds = {"counts": "counts", "logs": "log-normalised expression"}
        return f" `adata.raw` holds {kinds[scale]}: give `adata.raw.to_adata()`." if scale in kinds else ""

    @cached_property
    def genes(self) -> NDArray[np.object_]:
        """Names of the genes; a `ValueError` if they are not unique."""
        if not self.adata.var_names.is_unique:
            msg = "Gene names must be unique in a ranking: call `adata.var_names_make_unique()` first."
            raise ValueError(msg)
        return self.adata.var_names.to_numpy(dtype=object)

    def labels(self, column: str, argument: str | None = None) -> pd.Categorical:
        """Label of each cell, as text, from a column of `obs` of the modality or of all, which ``argument`` names."""
        return read_labels(self.data, column, mod=self.mod, argument=argument)

    def columns(self, names: str | Sequence[str], argument: str) -> pd.DataFrame:
        """Columns of `obs`, of the modality or of all; an error says which ``argument`` names them."""
        found = {name: find_column(self.data, name, mod=self.mod, argument=argument) for name in as_list(names)}
        return pd.DataFrame(found, index=self.adata.obs_names)

    def output(self, copy: bool) -> tuple[AnnData | MuData | None, AnnData]:
        """The copy that a tool returns, if any, and the modality to write to, of the copy or of what was given.

        A view becomes data of its own first, as scanpy does: anndata would do so with a warning.
        """
        if not copy:
            if self.adata.is_view:
                self.adata._init_as_actual(self.adata.copy())
            return None, self.adata
        copied = self.data.copy()
        return copied, resolve_modality(copied, self.mod)
