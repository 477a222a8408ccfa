"""What editors offer by keyword is what the presets hold."""

from __future__ import annotations

import inspect
from dataclasses import fields
from importlib import import_module

import pytest

import scpi
from scpi.model.base.training._presets import TrainingPreset, TrainingSettings

MODELS = {
    "SENAVAE": "senavae",
    "SCButterfly": "scbutterfly",
    "SCPREGAN": "scpregan",
    "GeneProgramAE": "gene_program",
    "DGD": "dgd",
    "NBVAE": "nbvae",
}


def annotations(settings):
    return {
        name: getattr(kind, "__forward_arg__", kind) for name, kind in getattr(settings, "__annotations__", {}).items()
    }


def of_presets(folder):
    module = import_module(f"scpi.model.{folder}._presets")
    return {
        field.name: field.type for preset in {type(one) for one in module.PRESETS.values()} for field in fields(preset)
    }


def test_the_training_is_that_of_its_preset():
    assert annotations(TrainingSettings) == {field.name: field.type for field in fields(TrainingPreset)}


@pytest.mark.parametrize(("name", "folder"), MODELS.items())
def test_settings_are_what_the_preset_holds_beside_the_arguments(name, folder):
    settings = import_module(f"scpi.model.{folder}._settings").Settings
    arguments = inspect.signature(getattr(scpi.model, name)).parameters
    expected = {key: kind for key, kind in of_presets(folder).items() if key not in arguments}
    assert annotations(settings) == expected
    assert "Settings" in str(arguments["preset_kwargs"].annotation)


def test_settings_of_clusterings_are_those_of_all_networks():
    settings = import_module("scpi.model.clustering._settings").Settings
    found = {}
    for name in ("ContrastiveSC", "SCDeepCluster", "SCZIDesk"):
        model = getattr(scpi.model, name)
        arguments = inspect.signature(model).parameters
        presets = {type(one) for one in model._presets.values()}
        found |= {f.name: f.type for preset in presets for f in fields(preset) if f.name not in arguments}
    assert annotations(settings) == found
