"""Checks of the models to evaluate, before any training."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from scpi._slots import listed
from scpi.model.base import NetworkTrainingMixin, check_ignored, training_keywords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpi.benchmark._model_spec import ModelSpec
    from scpi.benchmark._task import Task
    from scpi.model.base import ScreenModel

_HOOKS = ("setup_anndata", "train", "predict")


def check_models(task: Task, models: Mapping[str, ModelSpec], *, seed: int) -> None:
    """Set up and build every model once, and check the arguments of its ``train``.

    A `ValueError` lists all models that cannot be trained.
    """
    problems = {name: _problem(task, spec, seed) for name, spec in models.items()}
    found = [f"{name!r}: {problem}" for name, problem in problems.items() if problem]
    if found:
        msg = f"{len(found)} of {len(models)} models cannot be evaluated; nothing was trained. " + "; ".join(found)
        raise ValueError(msg)


def _problem(task: Task, spec: ModelSpec, seed: int) -> str:
    """Problem of a model; empty if there is none."""
    if not inspect.isclass(spec.model):
        return f"`model` must be a class, but is of type {type(spec.model).__name__}"
    missing = [name for name in _HOOKS if not callable(getattr(spec.model, name, None))]
    if missing:
        return f"{spec.model.__name__} has no {', '.join(f'`{name}`' for name in missing)}"
    if task.rows == "conditions" and issubclass(spec.model, NetworkTrainingMixin):
        return f"{spec.model.__name__} learns from cells, and the rows are conditions: baselines can be evaluated"
    if not 0 <= spec.validation_size < 1:
        return f"`validation_size` must be from 0 to below 1, but is {spec.validation_size}"
    try:
        model = task.build(spec, seed)
        taken = inspect.signature(model.train)
        taken.bind(**dict(spec.train))
        if "ignored" in taken.parameters:
            check_ignored(model, spec.train)
        if "trainer_kwargs" in taken.parameters and (unknown := _not_taken(model, spec.train)):
            return f"`train` and the trainer take no argument {listed(unknown)}"
    except Exception as error:  # noqa: BLE001 - whatever a class raises is what is wrong with it
        words = error.args[0] if isinstance(error, KeyError) and error.args else error
        return f"{type(error).__name__}: {' '.join(str(words).split())}"
    return ""


def _not_taken(model: ScreenModel, given: Mapping[str, Any]) -> list[str]:
    """Arguments that ``train`` would pass to a trainer that does not accept them."""
    from scvi.train import TrainRunner

    own = [model._fit] if hasattr(model, "_fit") else []
    known = training_keywords(model.train, TrainRunner.__init__, *own)
    return [name for name in given if name not in known]
