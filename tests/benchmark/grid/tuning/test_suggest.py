from __future__ import annotations

import pytest

from scpi.benchmark.grid import GridTuning
from scpi.benchmark.grid._tuning._suggest import directions, front, is_hopeless, running, suggest

optuna = pytest.importorskip("optuna")
SPACE = {
    "x": optuna.distributions.FloatDistribution(-5.0, 5.0),
    "y": optuna.distributions.CategoricalDistribution(["a", "b"]),
}


def complete(*values, means=(), **params):
    return optuna.trial.create_trial(
        values=list(values),
        params=params,
        distributions={name: SPACE[name] for name in params},
        intermediate_values=dict(enumerate(means)),
    )


def history(tuning, n):
    """Trials of a parabola, asked for one after the other."""
    known = []
    for _ in range(n):
        asked = suggest(tuning, SPACE, known, [])
        values = [(asked.params["x"] - 1.0) ** 2] * len(tuning.objectives)
        template = running(asked)
        known.append(
            optuna.trial.create_trial(
                values=values,
                params=asked.params,
                distributions=asked.distributions,
                system_attrs=template.system_attrs,
            )
        )
    return known


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_a_suggestion_depends_on_what_is_given_alone(sampler):
    tuning = GridTuning(objectives=["rmse", "mae"], sampler=sampler, n_startup=4)
    known = history(tuning, 10)
    first, again = (suggest(tuning, SPACE, known, []) for _ in range(2))
    assert first.params == again.params and first.state.name == "RUNNING"
    assert [one.params for one in history(tuning, 10)] == [one.params for one in known]
    assert suggest(GridTuning(sampler=sampler, seed=1), SPACE, [], []).params != known[0].params
    # What is at work is no value, but another is asked for
    assert suggest(tuning, SPACE, known[:8], known[8:]).params != suggest(tuning, SPACE, known[:8], []).params


def test_the_estimator_learns():
    known = history(GridTuning(objectives="rmse", n_startup=5), 25)
    assert min(one.value for one in known[5:]) < 0.05
    assert {one.params["y"] for one in known} == {"a", "b"}


def test_directions_are_those_of_the_metrics():
    assert directions(GridTuning(objectives=["pearson", "energy_distance"])) == ["maximize", "minimize"]


def test_the_front_and_the_compromise():
    tuning = GridTuning(objectives=["pearson", "rmse"])
    trials = [
        complete(0.9, 3.0),  # best in the first
        complete(0.8, 1.1),  # nearly the best in both
        complete(0.1, 1.0),  # best in the second
        complete(0.7, 1.2),  # beaten by the second trial
        complete(0.8, 1.1),  # the second trial again
        optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL),
    ]
    assert [trials.index(one) for one in front(tuning, trials)] == [1, 0, 2]
    assert front(GridTuning(objectives="rmse"), [complete(2.0), complete(1.0), complete(1.0)])[0].value == 1.0
    assert front(tuning, trials[5:]) == []


def test_a_setting_is_hopeless_below_the_median():
    tuning = GridTuning(objectives="pearson", n_startup=3, prune=True)
    known = [complete(value, means=[0.0, value, value]) for value in (0.2, 0.5, 0.8)]
    assert is_hopeless(tuning, known, [0.0, 0.4]) and not is_hopeless(tuning, known, [0.0, 0.6])
    # Neither after one division, nor against fewer than `n_startup` others
    assert not is_hopeless(tuning, known, [-1.0]) and not is_hopeless(tuning, known[:2], [0.0, 0.1])
