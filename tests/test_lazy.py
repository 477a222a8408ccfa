from __future__ import annotations

import sys
from types import ModuleType

import pytest

from scpi._lazy import attach


@pytest.fixture
def package(monkeypatch):
    module = ModuleType("lazy_package")
    hooks = attach("lazy_package", {"answer": "_answer"}, submodules=("room",))
    module.__getattr__, module.__dir__, module.__all__ = hooks
    monkeypatch.setitem(sys.modules, "lazy_package", module)
    private = ModuleType("lazy_package._answer")
    private.answer = object()
    monkeypatch.setitem(sys.modules, "lazy_package._answer", private)
    monkeypatch.setitem(sys.modules, "lazy_package.room", ModuleType("lazy_package.room"))
    return module


def test_an_attribute_is_the_object_of_its_module_and_is_looked_up_once(package, monkeypatch):
    first = package.answer
    assert first is sys.modules["lazy_package._answer"].answer
    monkeypatch.delitem(sys.modules, "lazy_package._answer")
    assert package.answer is first


def test_a_submodule_is_the_module(package):
    assert package.room is sys.modules["lazy_package.room"]


def test_the_public_names_are_listed(package):
    assert package.__all__ == ["answer", "room"]
    assert {"answer", "room"} <= set(dir(package))


def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=r"'lazy_package' has no attribute 'nothing'"):
        _ = package.nothing
    assert not hasattr(package, "nothing")
