"""What editors offer by keyword is what the presets hold."""

from __future__ import annotations

import inspect
import re
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
    "MultiTaskAE": "multitask",
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


WITH_SETTINGS = sorted(
    name
    for name in scpi.model.__all__
    if {"preset", "seed"} <= set(inspect.signature(getattr(scpi.model, name)).parameters)
)


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_the_docstring_lists_every_setting_with_its_value_in_each_preset(name):
    model = getattr(scpi.model, name)
    presets = getattr(model, "_presets", None) or import_module(model.__module__.replace("_model", "_presets")).PRESETS
    parameters = inspect.signature(model).parameters
    text = " ".join(inspect.getdoc(model).split())
    default = presets[parameters["preset"].default]
    for field in fields(default):
        value = repr(getattr(default, field.name))
        own = parameters.get(field.name)
        entry = re.search(rf"^(\w+, )*{field.name}(, \w+)*$", inspect.getdoc(model), flags=re.MULTILINE)
        assert entry or own is not None, f"{name} does not describe {field.name}"
        if own is None or own.default is None:
            shown = f"``{field.name}={value}``" if entry and "," in entry[0] else f"``{value}``"
            after = " ".join(inspect.getdoc(model)[entry.end() :].split())
            assert shown in after.partition("Default: ")[2], f"{name}: {field.name}"
    for other in presets:
        assert f'``"{other}"``' in text


def test_all_models_with_settings_are_compared():
    assert set(MODELS) < set(WITH_SETTINGS) and len(WITH_SETTINGS) == 12
    assert scpi.model.NBVAE.__doc__.count("Other Parameters") == 1


def test_values_that_differ_between_presets():
    text = " ".join(scpi.model.NBVAE.__doc__.split())
    assert 'Number of latent units. Default: ``10``; preset ``"op3"``: ``5``.' in text
    assert '``kl_warmup=50``, ``kl_start=0.0``; preset ``"scvi"``: ``kl_warmup=400``' in text


def test_settings_of_latent_shifts_are_those_of_both_models():
    settings = import_module("scpi.model.latent_shift._settings").Settings
    presets = import_module("scpi.model.latent_shift._presets")
    expected = {field.name: field.type for cls in (presets.SCGENPreset, presets.SCVIDRPreset) for field in fields(cls)}
    assert annotations(settings) == expected
    for name in ("SCGEN", "SCVIDR"):
        assert "Settings" in str(inspect.signature(getattr(scpi.model, name)).parameters["preset_kwargs"].annotation)
