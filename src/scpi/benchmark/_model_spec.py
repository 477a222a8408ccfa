"""A model to evaluate, and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpi.model.base import ScreenModel


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model to evaluate, and how it is built, trained and asked."""

    model: type[ScreenModel]
    """Class of the model or baseline."""
    layer: str | None = None
    """Entry of ``adata.layers`` that it reads, such as counts; that of the evaluation if ``None``."""
    setup: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of its ``setup_anndata``."""
    init: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its constructor, other than the data."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its ``train``, such as ``max_epochs``."""
    predict: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of its ``predict``, such as ``output``."""
    validation_size: float = 0.0
    """Fraction of the training cells of every condition that it may watch while it trains."""
    is_null: bool = False
    """Whether it is a matched null: the labels of the perturbed training conditions of each context are exchanged before it is
    trained. A model that is not better than its null does not use what it learns of single perturbations."""
