"""Trials of the settings of a model on one fold, as a study that optuna-dashboard reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._fingerprint import fingerprint
from scpi._optional import import_extra
from scpi.benchmark.grid._plan import make_plan
from scpi.benchmark.grid._problem import Problem
from scpi.benchmark.grid._tuning._space import distribution, setting
from scpi.benchmark.grid._tuning._suggest import directions, front, is_hopeless, quiet, suggest
from scpi.benchmark.grid._tuning._trial_grid import trial_grid
from scpi.benchmark.grid._tuning._tuning_result import StudyResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid import Grid
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._grid_tuning import GridTuning
    from scpi.benchmark.grid._plan import Plan
    from scpi.benchmark.grid._tuning._trial_grid import Target


class _Standing(NamedTuple):
    """Progress of a trial."""

    state: str
    """``"complete"``, ``"fail"``, ``"pruned"``, or empty if it is still running."""
    tasks: list[GridTask]
    """Tasks that it needs now."""
    reason: str = ""


class TuningStudy:
    """Asks optuna for settings, creates tasks for them, and reports their values. Nothing else writes the study.

    Settings are requested and their values reported in a fixed order, whichever ends first: the value of a setting is
    reported after those of all earlier ones, and the next setting is requested if fewer than ``at_once`` are open. Every
    step is one write to the storage, so a killed process leaves a study that the next one continues in the same order.
    """

    def __init__(self, grid: Grid, tuning: GridTuning, target: Target, storage: Any, folder: Folder) -> None:
        self.target = target
        self._grid, self._tuning, self._folder, self._storage = grid, tuning, folder, storage
        self._space = grid.models[target.model].tune
        self._distributions = {name: distribution(value) for name, value in self._space.items()}
        self._plans: dict[int, Plan] = {}
        self._values: dict[str, list[float]] = {}
        self._reported: set[tuple[int, int]] = set()
        self.n_tasks = len(self._base.tasks) * tuning.n_trials
        with quiet():
            self._study = import_extra("optuna").create_study(
                storage=storage,
                study_name=f"{target.title} [{self._word[:8]}]",
                directions=directions(tuning),
                load_if_exists=True,
            )
            self._study.set_metric_names(list(tuning.objectives))
        self._trials: list[Any] = self._study.get_trials(deepcopy=False)

    @property
    def is_finished(self) -> bool:
        """Whether the values of all settings have been reported."""
        return self._n_told >= max(self._tuning.n_trials, len(self._trials))

    def advance(self, ended: Mapping[str, str]) -> Iterator[tuple[Plan, list[GridTask]]]:
        """Report the results of ended tasks, request further settings, and yield the tasks that these need."""
        while self._ask() or self._tell(ended):
            pass
        for number in range(self._n_told, len(self._trials)):
            if tasks := self._standing(number, ended).tasks:
                yield self._plan(number), tasks

    def result(self) -> StudyResult:
        """Result of the study."""
        best = [self._described(trial) for trial in front(self._tuning, self._trials)]
        counts = {"complete": 0, "pruned": 0, "fail": 0, "running": 0}
        for trial in self._trials:
            counts[trial.state.name.lower()] += 1
        return StudyResult(
            model=self.target.model,
            data=self.target.data,
            scheme=self.target.scheme,
            split=self.target.split,
            name=self._study.study_name,
            counts=counts,
            front=tuple(best),
        )

    def tried(self) -> Iterator[Grid]:
        """Grids of all settings that have values, each once."""
        seen = set()
        for trial in self._trials:
            plan = self._plan(trial.number)
            if trial.state.name == "COMPLETE" and (word := plan.tasks[0].hash) not in seen:
                seen.add(word)
                yield plan.grid

    @property
    def _n_told(self) -> int:
        return next((trial.number for trial in self._trials if not trial.state.is_finished()), len(self._trials))

    def _ask(self) -> bool:
        """Begin another setting if fewer than ``at_once`` are open; return whether one was begun."""
        number, at_once = len(self._trials), self._tuning.at_once
        if number >= self._tuning.n_trials or number - self._n_told >= at_once:
            return False
        n_known = max(0, number - at_once + 1)
        trial = suggest(self._tuning, self._distributions, self._trials[:n_known], self._trials[n_known:])
        self._study.add_trial(trial)
        self._refresh()
        return True

    def _tell(self, ended: Mapping[str, str]) -> bool:
        """Report the result of the first open setting if it is known; return whether it is."""
        number = self._n_told
        if number == len(self._trials):
            return False
        trial, standing = self._trials[number], self._standing(number, ended)
        if not standing.state:
            return False
        state = import_extra("optuna").trial.TrialState[standing.state.upper()]
        if standing.reason:
            self._storage.set_trial_user_attr(trial._trial_id, "reason", standing.reason)
        values = self._means(number, len(self._plan(number).tasks)) if standing.state == "complete" else None
        self._study.tell(number, values, state=state)
        self._refresh()
        return True

    def _standing(self, number: int, ended: Mapping[str, str]) -> _Standing:
        """Progress of a trial; its means over the first tasks are written to the study."""
        tasks = self._plan(number).tasks
        for place, task in enumerate(tasks):
            how = ended.get(task.hash)
            if how == "failed":
                return _Standing("fail", [], f"{task.title} failed: see `scpi benchmark status` for the reason")
            if how is None:
                return _Standing("", [task] if self._tuning.prune else [*tasks[place:]])
            if self._report(number, place) and place < len(tasks) - 1 and self._is_hopeless(number, place):
                return _Standing("pruned", [])
        if not np.isfinite(self._means(number, len(tasks))).all():
            return _Standing("fail", [], f"no value of {', '.join(self._tuning.objectives)}")
        return _Standing("complete", [])

    def _report(self, number: int, place: int) -> bool:
        """Write the mean over the first tasks to the study; return whether pruning may use it."""
        if len(self._tuning.objectives) > 1:
            return False
        (mean,) = self._means(number, place + 1)
        if np.isfinite(mean) and (number, place) not in self._reported:
            self._storage.set_trial_intermediate_value(self._trials[number]._trial_id, place, mean)
            self._reported.add((number, place))
        return self._tuning.prune and bool(np.isfinite(mean))

    def _is_hopeless(self, number: int, place: int) -> bool:
        known = self._trials[: max(0, number - self._tuning.at_once + 1)]
        return is_hopeless(self._tuning, known, [self._means(number, n + 1)[0] for n in range(place + 1)])

    def _means(self, number: int, n: int) -> list[float]:
        """Mean of each objective over the first tasks of a trial; NaN if none has a value."""
        values = np.array([self._of_task(task) for task in self._plan(number).tasks[:n]])
        valid = np.isfinite(values)
        sums, sizes = np.where(valid, values, 0.0).sum(0), valid.sum(0)
        return [float(total / size) if size else float("nan") for total, size in zip(sums, sizes, strict=True)]

    def _of_task(self, task: GridTask) -> list[float]:
        if task.hash not in self._values:
            parquet = import_extra("pyarrow.parquet")
            table = parquet.read_table(self._folder.tasks / task.hash / "metrics.parquet").to_pandas()
            self._values[task.hash] = [float(table[name].mean()) for name in self._tuning.objectives]
        return self._values[task.hash]

    def _plan(self, number: int) -> Plan:
        """The tasks of a trial, which the folder keeps."""
        if number not in self._plans:
            settings = self._settings(self._trials[number])
            self._plans[number] = self._made(settings, f"{self.target.model} #{number}")
            self._plans[number].write(self._folder)
        return self._plans[number]

    @property
    def _base(self) -> Plan:
        """The tasks of the model without tuning."""
        try:
            return self._made({}, self.target.model)
        except Problem as problem:
            words = f"{problem.message} By default, training cells are split by the function for all cells: name another function here."
            raise Problem(words, "tuning", "inner", self.target.scheme) from None

    def _made(self, settings: Mapping[str, Any], name: str) -> Plan:
        return make_plan(trial_grid(self._grid, self._tuning, self.target, settings, name), self._folder)

    @property
    def _word(self) -> str:
        """Hash of everything that the settings depend on; further settings may be requested later."""
        how = replace(self._tuning, n_trials=1, inner={})
        version = import_extra("optuna").__version__
        return fingerprint([version, str(how), dict(self._space), [task.hash for task in self._base.tasks]])

    def _settings(self, trial: Any) -> dict[str, Any]:
        return {name: setting(value, trial.params[name]) for name, value in self._space.items()}

    def _described(self, trial: Any) -> dict[str, Any]:
        values = dict(zip(self._tuning.objectives, trial.values, strict=True))
        return {"trial": trial.number, "settings": self._settings(trial), "values": values}

    def _refresh(self) -> None:
        self._trials = self._study.get_trials(deepcopy=False)
