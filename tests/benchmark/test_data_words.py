from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd

import scpi
from scpi.benchmark import ModelSpec
from scpi.benchmark._data_words import DataWords

SETUP = {"perturbation_key": "perturbation", "context_key": "cell_type", "dose_key": None, "control": "control"}


def make():
    obs = pd.DataFrame({"perturbation": ["control", "A"], "cell_type": ["T", "B"], "unused": [1, 2], "batch": [0, 1]})
    obs.index = obs.index.astype(str)
    adata = ad.AnnData(np.ones((2, 3), dtype=np.float32), obs=obs)
    adata.layers["counts"] = np.full((2, 3), 2.0, dtype=np.float32)
    adata.layers["other"] = np.full((2, 3), 3.0, dtype=np.float32)
    return adata


def words(adata, spec=None, layer=None):
    return DataWords(adata, SETUP, layer).of(spec)


def test_only_what_is_read_has_words():
    assert set(words(make())) == {"layer None", "obs perturbation", "obs cell_type", "genes"}
    spec = ModelSpec(model=scpi.model.NoChange, layer="counts", setup={"batch_key": "batch"})
    assert set(words(make(), spec)) - set(words(make())) == {"layer counts", "obs batch"}


def test_words_change_with_what_they_are_of_and_with_nothing_else():
    plain, changed = words(make()), make()
    changed.obs["unused"] = 7
    changed.layers["other"][:] = 0
    assert words(changed) == plain
    for name, change in {
        "layer None": lambda adata: adata.X.__setitem__((0, 0), 5.0),
        "obs cell_type": lambda adata: adata.obs.__setitem__("cell_type", ["T", "T"]),
        "genes": lambda adata: setattr(adata, "var_names", list("xyz")),
    }.items():
        adata = make()
        change(adata)
        found = words(adata)
        assert {key for key in plain if found[key] != plain[key]} == {name}


def test_each_part_is_hashed_once(monkeypatch):
    seen = []
    monkeypatch.setattr("scpi.benchmark._data_words.describe", lambda value: seen.append(type(value).__name__) or "x")
    data_words = DataWords(make(), SETUP, None)
    for _ in range(3):
        data_words.of(None)
    assert len(seen) == 4
