"""YAML with the lines of its entries."""

from __future__ import annotations

import re
from typing import Any

import yaml

from scpi.benchmark.grid._problem import Problem

Lines = dict[tuple[str | int, ...], int]
"""Number of the line that an entry begins on, by its path."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2, where ``1e-3`` is a number, ``NO`` a gene and ``010`` ten."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def read_yaml(text: str, name: str) -> tuple[Any, Lines]:
    """The value of a document, and the line of every entry; a `Problem` gives the place of invalid YAML."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines: Lines = {(): node.start_mark.line + 1}
        _walk(node, (), lines)
        return loader.construct_document(node), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = name if mark is None else f"{name}, line {mark.line + 1}"
        raise Problem(str(getattr(error, "problem", None) or error), where=where) from error
    except Problem as problem:
        raise problem.in_file(name, lines) from None
    finally:
        loader.dispose()


class _Dumper(yaml.SafeDumper):
    """Quotes text that would be read as another type."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def write_yaml(value: Any) -> str:
    """Text of plain data, which :func:`read_yaml` reads as the same."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _walk(node: yaml.Node, at: tuple[str | int, ...], lines: Lines) -> None:
    """Note the lines below a node; a `Problem` names a key that is given twice."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*at, str(key.value))
            if path in lines and key.value != "<<":
                first = lines[path]
                lines[path] = key.start_mark.line + 1
                raise Problem(f"is given twice, first on line {first}.", *path)
            lines[path] = key.start_mark.line + 1
            _walk(value, path, lines)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            lines[*at, place] = value.start_mark.line + 1
            _walk(value, (*at, place), lines)
