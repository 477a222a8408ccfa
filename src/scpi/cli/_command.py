"""A command that knows its options, so that messages of Python functions can name them."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any

from typer.core import TyperCommand

# Arguments of functions whose options have other names
_ALIASES = {"overwrite": "force", "sets": "gene_sets"}
# An option cannot be `None`: the empty text stands for it
_AS_TEXT = {"None": "''"}
_ARGUMENT = re.compile(r"`(\w+)(?:=([^`]*))?`")
_running: ContextVar[dict[str, Any] | None] = ContextVar("options of the running command", default=None)


class Command(TyperCommand):
    """A command of typer whose options :func:`with_options` knows while it runs."""

    def invoke(self, ctx: Any) -> Any:
        before = _running.set({str(option.name): option for option in self.params})
        try:
            return super().invoke(ctx)
        finally:
            _running.reset(before)


def with_options(message: str) -> str:
    """A message in which the options of the running command stand for the arguments of functions: `--force` for `overwrite=True`."""
    options = _running.get() or {}

    def named(found: re.Match[str]) -> str:
        option = options.get(_ALIASES.get(found[1], found[1]))
        if option is None or not option.opts[0].startswith("--"):
            return found[0]
        if found[2] == "False" and option.secondary_opts:
            return option.secondary_opts[0]
        value = "" if found[2] is None or option.is_flag else found[2]
        return f"{option.opts[0]} {_AS_TEXT.get(value, value)}".rstrip()

    return _ARGUMENT.sub(named, message)
