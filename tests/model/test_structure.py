"""Conventions of the room of models."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import scpi.model

MODULES = [module.name for module in pkgutil.walk_packages(scpi.model.__path__, "scpi.model.")]


def depth(cls):
    """Length of the longest chain of bases that scpi itself defines."""
    if not cls.__module__.startswith("scpi."):
        return 0
    return 1 + max(map(depth, cls.__bases__))


@pytest.mark.parametrize("name", MODULES)
def test_no_chain_of_bases_is_longer_than_four(name):
    classes = [cls for _, cls in inspect.getmembers(importlib.import_module(name), inspect.isclass)]
    assert {cls.__name__: depth(cls) for cls in classes if depth(cls) > 4} == {}
