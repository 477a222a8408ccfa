"""Setup and training of models without perturbations."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import scvi

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi.benchmark._model_spec import ModelSpec


class Fitted(NamedTuple):
    """A trained model, with its costs."""

    model: Any
    """The model."""
    seconds: float
    """Seconds of its training."""
    n_parameters: int | None
    """Number of trainable parameters; ``None`` without a network."""


def fit(spec: ModelSpec, adata: AnnData, *, layer: str | None, seed: int, **init: Any) -> Fitted:
    """Train a model on all cells, with further arguments of its constructor unless the grid gives them."""
    cls: Any = spec.model
    # Models of scvi-tools take no seed of their own
    scvi.settings.seed = seed
    cls.setup_anndata(adata, layer=layer if spec.layer is None else spec.layer, **spec.setup)
    own_seed = {"seed": seed} if "seed" in inspect.signature(cls).parameters else {}
    model = cls(adata, **(own_seed | init | dict(spec.init)))
    start = time.perf_counter()
    model.train(**({"enable_progress_bar": False} | dict(spec.train)))
    seconds = time.perf_counter() - start
    module = getattr(model, "module", None)
    n_parameters = None if module is None else sum(one.numel() for one in module.parameters() if one.requires_grad)
    return Fitted(model, seconds, n_parameters)
