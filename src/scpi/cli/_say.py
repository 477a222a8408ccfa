"""What commands print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


def say(what: Any) -> None:
    """Print plain data as JSON, or lines."""
    if isinstance(what, dict):
        typer.echo(json.dumps(what, indent=1))
    else:
        for line in what:
            typer.echo(line)


def consoles(*, quiet: bool, as_json: bool) -> tuple[Console, Console]:
    """Where progress is shown, and where tables for people are."""
    from rich.console import Console

    return Console(stderr=True, quiet=quiet), Console(quiet=quiet or as_json)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as plain data; what is missing is `None`, for JSON has no NaN."""
    return json.loads(table.to_json(orient="records"))
