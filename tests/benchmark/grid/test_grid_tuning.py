from __future__ import annotations

import pytest

from scpi.benchmark.grid import Grid, GridModel, GridTuned, GridTuning


def test_metrics_by_preset_and_a_single_seed():
    tuning = GridTuning(objectives=["vcc2025"], seeds=3)
    assert tuning.objectives == ["de_overlap", "discrimination_l1", "mae"] and tuning.seeds == [3]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"n_trials": 0}, "n_trials: must be at least 1, but is 0"),
        ({"objectives": "pearsn"}, "objectives: Unknown metrics 'pearsn'"),
        ({"sampler": "tp"}, r"sampler: unknown sampler 'tp', did you mean 'tpe'\?"),
        ({"prune": True, "objectives": ["pearson", "rmse"]}, "prune: needs a single objective"),
        ({"seeds": []}, "seeds: is empty"),
        ({"seeds": ["a"]}, "seeds.0: must be a whole number"),
        ({"inner": {"x": {"by": "random_cells", "data": ["a"]}}}, "inner.x.data: is taken from the split"),
        ({"inner": {"x": {"by": "random"}}}, "inner.x.by: unknown split 'random', did you mean 'random_cells'"),
    ],
)
def test_mistakes_are_named(entries, message):
    with pytest.raises(ValueError, match=message):
        GridTuning(**entries)


def test_names_of_a_grid_are_checked(tiny):
    with pytest.raises(ValueError, match="tuning.inner.pair: unknown split 'pair', did you mean 'pairs'"):
        tiny(tuning={"inner": {"pair": {"by": "random_cells"}}})
    tuned = {"data": "planted", "scheme": "pairs", "split": "part 1 of 3", "settings": {"train.x": 1}}
    with pytest.raises(ValueError, match="models.a.tuned.0.scheme: unknown split 'pair'"):
        tiny(models={"a": {"model": "NoChange", "tuned": [tuned | {"scheme": "pair"}]}})
    with pytest.raises(ValueError, match="models.a.splits.0: unknown split 'x'"):
        tiny(models={"a": {"model": "NoChange", "splits": ["x"]}})
    made = tiny(models={"a": {"model": "NoChange", "tuned": [tuned]}})
    assert Grid.from_dict(made.to_dict()) == made == Grid.from_dict(made.to_dict(compact=True))
    assert "tuning" not in made.to_dict(compact=True)


def test_settings_on_a_division():
    tuned = GridTuned(data="d", scheme="s", split="x", settings={"train.lr": 2, "init.n": 3})
    model = GridModel(model="NoChange", train={"lr": 1, "epochs": 5}, tuned=[tuned])
    assert model.settings_on(data="d", scheme="s", split="x").train == {"lr": 2, "epochs": 5}
    assert model.settings_on(data="d", scheme="s", split="x").init == {"n": 3}
    assert model.settings_on(data="d", scheme="s", split="y") is model
    with pytest.raises(ValueError, match="settings.lr: unknown part of a model 'lr'"):
        GridTuned(data="d", scheme="s", split="x", settings={"lr": 2})
