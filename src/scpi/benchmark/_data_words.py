"""Hashes of the parts of the data on which results of a benchmark depend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi._fingerprint import describe
from scpi._keys import Key
from scpi._slots import find_layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

    from scpi.benchmark._model_spec import ModelSpec


class DataWords:
    """Hashes of the parts of the data that models read, each computed once.

    ``setup`` holds the arguments of ``setup_anndata`` that all models get, and ``layer`` is the layer on which
    predictions are compared. The data is the screen before models are set up with it. ``halves`` are further layers
    that scores depend on.
    """

    def __init__(
        self, data: AnnData, setup: Mapping[str, Any], layer: str | None, halves: tuple[str, str] | None = None
    ) -> None:
        self._data, self._setup, self._layer, self._halves = data, dict(setup), layer, halves or ()
        self._known: dict[tuple[str, str | None], Any] = {}

    def of(self, spec: ModelSpec | None) -> dict[str, Any]:
        """Hashes of the data that a model reads and is compared with; of the shared data if ``None``."""
        own = {} if spec is None else dict(spec.setup)
        named = {value for value in (self._setup | own).values() if isinstance(value, str)}
        named |= {Key.varm.GENE_SETS, Key.uns.PERTURBATION_FEATURES}
        # Only the noise ceiling uses the halves
        layers = {self._layer, *self._halves} if spec is None else {self._layer, spec.layer or self._layer}
        words = {f"layer {layer}": self._word("layer", layer) for layer in sorted(layers, key=str)}
        for kind in ("obs", "layers", "varm", "obsm", "uns"):
            there = getattr(self._data, kind)
            words |= {f"{kind} {name}": self._word(kind, name) for name in sorted(named) if name in there}
        return words | {"genes": self._word("genes", None)}

    def _word(self, kind: str, name: str | None) -> Any:
        if (kind, name) not in self._known:
            if kind == "genes":
                value = self._data.var_names
            else:
                value = find_layer(self._data, name) if kind == "layer" else getattr(self._data, kind)[name]
            self._known[kind, name] = describe(value)
        return self._known[kind, name]
