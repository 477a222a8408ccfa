from __future__ import annotations

import json

import pytest

import scpi
from scpi._scoring._metrics import NAMES
from scpi._scoring._presets import PRESETS
from scpi.benchmark.grid import Grid, GridData, GridModel, GridSplit

TEXT = """\
data:
  cells: {file: cells.h5ad, context_key: cell_type}
  planted:
    simulator: plant_screen
    seed: 3
    normalise: true
splits:
  types: {by: leave_context_out, data: [cells]}
  pairs:
    by: leave_combinations_out
    arguments: {n_splits: 2}
models:
  additive: Additive
  mtae:
    model: MultiTaskAE
    layer: counts
    train: {max_epochs: 5, lr: 1e-3}
metrics: [honest, mae]
seeds: [0, 1]
"""


def written(tmp_path, text=TEXT):
    path = tmp_path / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_and_python_make_the_same_grid(tmp_path):
    grid = Grid.read(written(tmp_path))
    same = Grid(
        data={
            "cells": GridData(file=tmp_path / "cells.h5ad", context_key="cell_type"),
            "planted": GridData(simulator=scpi.datasets.plant_screen, seed=3, normalise=True),
        },
        splits={
            "types": GridSplit(by=scpi.benchmark.splits.leave_context_out, data=["cells"]),
            "pairs": GridSplit(by="leave_combinations_out", arguments={"n_splits": 2}),
        },
        models={
            "additive": scpi.model.Additive,
            "mtae": GridModel(model=scpi.model.MultiTaskAE, layer="counts", train={"max_epochs": 5, "lr": 0.001}),
        },
        metrics=("honest", "mae"),
        seeds=(0, 1),
    )
    assert grid.to_dict() == same.to_dict()
    assert grid.metrics == [*PRESETS["honest"], "mae"]
    assert grid.data["cells"].file == str(tmp_path / "cells.h5ad")
    assert Grid.from_dict(json.loads(json.dumps(grid.to_dict()))).to_dict() == grid.to_dict()


def test_presets_are_of_known_metrics():
    assert {"honest", "vcc2025", "vcc2026", "pertpy1035", "published"} == set(PRESETS)
    assert all(set(names) <= set(NAMES) and len(set(names)) == len(names) for names in PRESETS.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "model: MultiTaskAE",
            "model: MultiTaskAF",
            r"line 15, models.mtae.model: unknown model 'MultiTaskAF', did you",
        ),
        ("layer: counts", "layr: counts", r"line 16, models.mtae.layr: unknown entry 'layr', did you mean 'layer'\?"),
        ("layer: counts", "layer: 3", r"line 16, models.mtae.layer: must be the name of a layer, but is 3"),
        (
            "additive: Additive",
            "additive: Aditive",
            r"line 13, models.additive.model: unknown model 'Aditive', did you",
        ),
        ("seed: 3", "seed: x", r"line 5, data.planted.seed: must be a whole number, but is 'x'"),
        ("    seed: 3\n", "", r"line 3, data.planted.seed: a simulator needs one"),
        ("file: cells.h5ad", "file: cells.csv", r"line 2, data.cells.file: must end in one of .h5ad, .zarr"),
        ("file: cells.h5ad", "loader: x, file: x.h5ad", r"line 2, data.cells: needs one of 'file', 'loader' and"),
        ("simulator: plant_screen", "simulator: plant_scren", r"line 4, data.planted.simulator: unknown simulator"),
        (
            "by: leave_context_out",
            "by: leave_contexts_out",
            r"line 8, splits.types.by: unknown split 'leave_contexts_out'",
        ),
        ("by: leave_context_out, ", "", r"line 8, splits.types: has no entry 'by'"),
        ("data: [cells]", "data: [cell]", r"line 8, splits.types.data.0: unknown data 'cell', did you mean 'cells'"),
        ("arguments: {n_splits: 2}", "arguments: {rng: ~}", r"line 11, splits.pairs.arguments.rng: without a seed"),
        ("metrics: [honest, mae]", "metrics: [honset]", r"line 18, metrics: Unknown metrics 'honset': choose from"),
        ("seeds: [0, 1]", "seeds: [0, a]", r"line 19, seeds.1: must be a whole number, but is 'a'"),
        ("seeds: [0, 1]", "seeds: []", r"line 19, seeds: is empty"),
        ("seeds: [0, 1]", "n_cells: lots", r"line 19, n_cells: must be a whole number, but is 'lots'"),
        (
            "additive: Additive",
            "split-half ceiling: Additive",
            r"line 13, models.split-half ceiling: names a row of the",
        ),
        (
            "additive: Additive",
            "x: {model: Additive, matched_null: true}\n  null of x: NoChange",
            r"line 14, models.null of x: names the matched null of another model",
        ),
        ("additive: Additive", "3: Additive", r"line 13, models.3: must be text, in quotes, but is 3"),
        ("data:\n", "dta:\n", r"line 1, dta: unknown entry 'dta', did you mean 'data'"),
        (TEXT, "- 1\n", r"line 1: must be a mapping of names and values"),
        (TEXT, "", r"grid.yaml: must be a mapping of names and values, but is None"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(ValueError, match=message):
        Grid.read(written(tmp_path, TEXT.replace(old, new, 1)))


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        Grid.read(tmp_path / "grid.yaml")


def test_settings_that_vary_are_models_of_their_own():
    model = GridModel(model="MultiTaskAE", train={"lr": 1.0, "max_epochs": 2}, vary={"train.lr": [1, 2], "init.n": [3]})
    found = model.variants("m")
    assert list(found) == ["m (lr=1, n=3)", "m (lr=2, n=3)"]
    assert found["m (lr=2, n=3)"] == GridModel(model="MultiTaskAE", train={"lr": 2, "max_epochs": 2}, init={"n": 3})
    assert GridModel(model="Additive").variants("m") == {"m": GridModel(model="Additive")}


def test_a_matched_null_follows_its_model():
    model = GridModel(model="Additive", vary={"train.lr": [1, 2]}, matched_null=True)
    found = model.variants("m")
    assert list(found) == ["m (lr=1)", "null of m (lr=1)", "m (lr=2)", "null of m (lr=2)"]
    null = found["null of m (lr=2)"]
    assert (null.of, null.train, null.model, null.matched_null) == ("m (lr=2)", {"lr": 2}, "Additive", False)
    assert null.with_settings({"train.lr": 3}).of == "m (lr=2)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matched_null": "yes"}, r"matched_null: must be true or false"),
        ({"vary": {"trian.lr": [1]}}, r"vary.trian.lr: unknown part of a model 'trian', did you mean 'train'"),
        ({"vary": {"train": [1]}}, r"vary.train: must name an argument"),
        ({"vary": {"train.lr": 1}}, r"vary.train.lr: must be a list of values"),
        ({"validation_size": 1.0}, r"validation_size: must be from 0 to below 1"),
        ({"train": {"logger": object()}}, r"train.logger: is of type object"),
    ],
)
def test_mistakes_in_a_model(changes, message):
    with pytest.raises(ValueError, match=message):
        GridModel(model="Additive", **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "a.h5ad", "arguments": {"n": 1}}, "arguments: are those of a loader"),
        ({"file": "a.h5ad", "seed": 1}, "seed: a simulator alone has one"),
        ({"simulator": "plant_screen", "seed": 0, "arguments": {"rng": 1}}, "arguments.rng: the seed of a simulator"),
        ({"loader": "kang_2018", "control": 3}, "control: must be a label or a list"),
        ({"loader": "kang_2018", "normalise": "yes"}, "normalise: must be true or false"),
        ({"loader": "kang_2018", "context_key": 3}, "context_key: must be a name or null"),
    ],
)
def test_mistakes_in_data(changes, message):
    with pytest.raises(ValueError, match=message):
        GridData(**changes)


def test_labels_of_the_data_are_those_of_the_models():
    setup = GridData(loader="kang_2018", control=("ctrl", "NT"), context_key="cell_type").setup
    assert setup["control"] == ["ctrl", "NT"] and setup["context_key"] == "cell_type" and setup["delimiter"] == "+"
