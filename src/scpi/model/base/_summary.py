"""Readable summary of a model and its training data."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from scpi._slots import listed
from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NAMES = 8


def summary_rows(model: Any) -> list[tuple[str, str]]:
    """Lines of the description of a model: its settings, its cells, its conditions and its training."""
    name = type(model).__name__
    settings = str(model._model_summary_string).removeprefix(f"{name} with ")
    rows = [("settings", settings), ("cells", _cells(model))]
    for title, attribute in (("perturbations", "perturbations_"), ("contexts", "contexts_"), ("clusters", "clusters_")):
        if names := [str(one) for one in getattr(model, attribute, None) or ()]:
            rows.append((title, _names(names)))
    return [*rows, ("training", _training(model))]


def _cells(model: Any) -> str:
    found = model.registry["field_registries"].get(KEYS.X, {}).get("summary_stats", {})
    sizes = [found.get(name) for name in ("n_cells", "n_vars")]
    return "unknown" if None in sizes else "{:,} cells x {:,} genes".format(*sizes)


def _names(names: Sequence[str]) -> str:
    return f"{len(names)}: {listed(names[:_MOST_NAMES])}" + (" ..." if len(names) > _MOST_NAMES else "")


def _training(model: Any) -> str:
    if not model.is_trained:
        return "not trained yet: call `train()`"
    history = getattr(model, "history_", None) or {}
    n_epochs = max((len(values) for values in history.values()), default=0)
    trained = [str(one) for one in getattr(model, "trained_conditions_", None) or ()]
    on = f" on {len(trained)} conditions" if trained else ""
    return (f"{n_epochs} epochs" if n_epochs else "trained") + on


def as_text(model: Any) -> str:
    """The description in lines."""
    rows = summary_rows(model)
    width = max(len(title) for title, _ in rows)
    return "\n".join([type(model).__name__, *(f"  {title:<{width}}  {text}" for title, text in rows)])


def as_html(model: Any) -> str:
    """The description as a table, for notebooks."""
    cells = "".join(f"<tr><th>{escape(title)}</th><td>{escape(text)}</td></tr>" for title, text in summary_rows(model))
    return f'<div><strong>{escape(type(model).__name__)}</strong><table style="text-align: left">{cells}</table></div>'
