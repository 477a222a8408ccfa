from __future__ import annotations

import ast
import inspect

import pytest

from scpi._keys import Key

SLOTS = [name for name, value in vars(Key).items() if inspect.isclass(value)]


def keys(slot):
    return {name: value for name, value in vars(getattr(Key, slot)).items() if name.isupper()}


def test_the_slots_are_those_of_anndata():
    assert set(SLOTS) <= {"obs", "var", "obsm", "varm", "obsp", "varp", "uns", "layers"}


@pytest.mark.parametrize("slot", SLOTS)
def test_the_keys_of_a_slot_are_distinct_strings(slot):
    values = list(keys(slot).values())
    assert values
    assert all(isinstance(value, str) and value for value in values)
    assert len(set(values)) == len(values)


def test_the_defaults_that_users_rely_on():
    assert Key.obs.PERTURBATION == "perturbation"
    assert Key.varm.GENE_SETS == "gene_sets"
    assert Key.uns.CAUSAL_GRAPH == "causal_graph"


@pytest.fixture(scope="module")
def named(project):
    """Where the package writes ``adata.uns["causal_graph"]`` and the like: file and line, slot and key."""
    found = []
    for path in (project / "src" / "scpi").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Subscript(value=ast.Attribute(attr=slot), slice=ast.Constant(value=value)):
                    found.append((f"{path.name}:{node.lineno}", slot, value))
    return found


@pytest.mark.parametrize("slot", SLOTS)
def test_no_slot_is_named_by_a_literal_elsewhere(slot, named):
    """``adata.uns["causal_graph"]`` in the package: the name stands in ``_keys.py`` and nowhere else."""
    values = set(keys(slot).values())
    assert named
    assert [(where, value) for where, attribute, value in named if attribute == slot and value in values] == []
