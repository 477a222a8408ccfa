"""Requests to optuna: the next setting, whether to stop one, and which is the best.

All answers depend only on the arguments, so a coordinator that is killed and restarted continues as without an interruption.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._optional import import_extra
from scpi._scoring._metrics import LOWER_IS_BETTER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scpi.benchmark.grid._grid_tuning import GridTuning

_N_PRUNED_FROM = 1


def directions(tuning: GridTuning) -> list[str]:
    """Direction of each objective."""
    return ["minimize" if name in LOWER_IS_BETTER else "maximize" for name in tuning.objectives]


def suggest(
    tuning: GridTuning,
    distributions: Mapping[str, Any],
    known: Sequence[Any],
    at_work: Sequence[Any],
) -> Any:
    """The next setting, given those whose values are known and those in progress, as a running trial."""
    # One generator per setting, so draws do not depend on earlier draws of this process
    word = np.random.SeedSequence([tuning.seed, len(known) + len(at_work)]).generate_state(1)[0]
    study = _scratch(tuning, [*known, *map(running, at_work)], sampler=_sampler(tuning, int(word)))
    asked = study.ask(dict(distributions))
    return running(study.get_trials(deepcopy=False)[asked.number])


def is_hopeless(tuning: GridTuning, known: Sequence[Any], means: Sequence[float]) -> bool:
    """Whether a setting with such means over its first folds is worse than the median of those known."""
    pruners = import_extra("optuna").pruners
    study = _scratch(tuning, known, pruner=pruners.MedianPruner(tuning.n_startup, n_warmup_steps=_N_PRUNED_FROM))
    study.add_trial(_trial(intermediate_values=dict(enumerate(means))))
    return bool(study.pruner.prune(study, study.get_trials(deepcopy=False)[-1]))


def running(trial: Any) -> Any:
    """A trial whose value is not known."""
    attributes = {"user_attrs": trial.user_attrs, "system_attrs": trial.system_attrs}
    return _trial(params=trial.params, distributions=trial.distributions, **attributes)


def front(tuning: GridTuning, trials: Sequence[Any]) -> list[Any]:
    """Pareto-optimal trials, the best compromise (smallest sum of ranks) first.

    Of trials with the same values, the earliest counts.
    """
    state = import_extra("optuna").trial.TrialState.COMPLETE
    complete = [trial for trial in trials if trial.state == state]
    if not complete:
        return []
    signs = np.array([1 if way == "minimize" else -1 for way in directions(tuning)])
    values = np.array([trial.values for trial in complete]) * signs
    unbeaten = [
        place
        for place, own in enumerate(values)
        if not ((values <= own).all(1) & (values < own).any(1)).any() and not (values[:place] == own).all(1).any()
    ]
    ranks = (values[None, :, :] < values[:, None, :]).sum(1).sum(1)
    return [complete[place] for place in sorted(unbeaten, key=lambda place: (ranks[place], place))]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the messages of optuna about a new study and new names of objectives."""
    optuna = import_extra("optuna")
    logging = optuna.logging
    kept = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        logging.set_verbosity(kept)


def _trial(**contents: Any) -> Any:
    trial = import_extra("optuna").trial
    return trial.create_trial(state=trial.TrialState.RUNNING, **contents)


def _scratch(tuning: GridTuning, trials: Sequence[Any], **parts: Any) -> Any:
    with quiet():
        study = import_extra("optuna").create_study(directions=directions(tuning), **parts)
    study.add_trials(trials)
    return study


def _sampler(tuning: GridTuning, seed: int) -> Any:
    samplers = import_extra("optuna").samplers
    if tuning.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    if tuning.sampler == "nsga2":
        return samplers.NSGAIISampler(population_size=max(2, tuning.n_startup), seed=seed)
    return samplers.TPESampler(n_startup_trials=tuning.n_startup, constant_liar=True, seed=seed)
