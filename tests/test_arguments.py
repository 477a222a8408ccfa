"""One thing has one name: the tables of the developer guide against all public signatures."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

from scpi.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "developer" / "arguments.md"
ROOMS = ["attribution", "benchmark", "datasets", "de", "design", "get", "metrics", "model", "pl", "screen", "tl"]


def public_functions():
    """Functions and methods of scpi by their name; those that scvi-tools or Python bring are not ours to name."""
    found = {}
    for room in ROOMS:
        module = import_module(f"scpi.{room}")
        for name in module.__all__:
            public = getattr(module, name)
            if inspect.isclass(public):
                methods = inspect.getmembers(public, inspect.isroutine)
                own = [(name, one) for name, one in methods if name == "__init__" or not name.startswith("_")]
                found |= {f"{room}.{name}.{method}": one for method, one in own}
            elif inspect.isfunction(public):
                found[f"{room}.{name}"] = public
    return {name: one for name, one in found.items() if (getattr(one, "__module__", "") or "").startswith("scpi")}


FUNCTIONS = public_functions()
ROWS = [line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
AVOIDED = {wrong: row[0].strip() for row in ROWS for wrong in re.findall(r"`(\w+)`", row[2])}

# Names along an axis, mappings, lists that make no sense with one, and a string with a meaning of its own
MANY = {
    "attribution.attribute_groups(outputs)",
    "attribution.centroid_logits(names)",
    "de.top_table(genes)",
    "get.ranking_agreement(keys)",
    "pl.ranking_agreement(keys)",
    "tl.consensus_programs(runs)",
    "tl.differential_activity(target_genes)",
}


def parameters(name):
    return inspect.signature(FUNCTIONS[name]).parameters


def of(*rooms):
    return sorted(name for name in FUNCTIONS if name.startswith(tuple(f"{room}." for room in rooms)))


def test_the_tables_are_read():
    assert len(ROWS) > 30 and AVOIDED["random_state"] == "`rng`" and len(FUNCTIONS) > 400


def test_no_argument_has_a_second_name():
    found = {f"{name}({wrong})": AVOIDED[wrong] for name in FUNCTIONS for wrong in parameters(name) if wrong in AVOIDED}
    assert found == {}


def test_labels_that_are_read_as_perturbations_have_a_control():
    for name in FUNCTIONS:
        if "delimiter" in (found := set(parameters(name))):
            assert {"perturbation_key", "control"} <= found and not {"groupby", "reference"} & found, name


def outside_of_brackets(annotation):
    """The alternatives of an annotation, without what their brackets hold."""
    while (shorter := re.sub(r"\w+\[[^\[\]]*\]", "", annotation)) != annotation:
        annotation = shorter
    return annotation


def test_every_list_of_names_may_be_one_name():
    """`tests/inputs/test_single_names.py` tests that both give the same."""
    found = set()
    for name in FUNCTIONS:
        # Signatures of scvi-tools, and records that scpi makes itself
        if name.endswith((".load", "Result.__init__", "Target.__init__", "Fit.__init__")):
            continue
        for argument, one in parameters(name).items():
            text = str(one.annotation)
            is_list = re.search(r"(Sequence|Iterable|Collection)\[str( \| int)?\]", text)
            if is_list and not re.search(r"\b(str|Label|Control)\b|PathLike", outside_of_brackets(text)):
                found.add(f"{name}({argument})")
    assert found == MANY


def test_data_of_several_modalities_is_called_data():
    for name in of("de", "design", "get", "pl", "tl"):
        found = parameters(name)
        first = next(iter(found.values()), None)
        if first is not None and "MuData" in str(first.annotation):
            assert first.name == "data" and "mod" in found, name


def test_figures_of_data_take_a_modality():
    assert [name for name in of("pl") if next(iter(parameters(name))) == "adata"] == []


def test_no_name_means_the_default_name():
    writes = [name for name in FUNCTIONS if "key_added" in parameters(name)]
    assert len(writes) > 20
    for name in writes:
        assert parameters(name)["key_added"].default is None, name
        assert re.search(r"'\w+' \| key_added|`None`|``None``", inspect.getdoc(FUNCTIONS[name])), name


def test_commands_have_the_names_of_the_functions():
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    commands = [command.callback for group in groups for command in group.registered_commands]
    assert len(commands) > 5
    found = {
        f"{one.__name__} --{name}" for one in commands for name in inspect.signature(one).parameters if name in AVOIDED
    }
    assert found == set()
