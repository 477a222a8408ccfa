"""A model to evaluate, with its arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpi.model.base import ScreenModel


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model to evaluate, with the arguments of its methods."""

    model: type[ScreenModel]
    """Class of the model or baseline."""
    layer: str | None = None
    """Entry of ``adata.layers`` to read, such as counts; that of the evaluation if ``None``."""
    setup: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of its ``setup_anndata``."""
    init: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its constructor, other than the data."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its ``train``, such as ``max_epochs``."""
    predict: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of its ``predict``, such as ``output``."""
    validation_size: float = 0.0
    """Fraction of the training cells of every condition to use for validation."""
    is_null: bool = False
    """Whether it is a matched null: the labels of the perturbed training conditions of each context are permuted before
    training. A model that is not better than its null learns nothing specific to single perturbations."""
