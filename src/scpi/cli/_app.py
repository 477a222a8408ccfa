"""The application and its commands."""

from __future__ import annotations

from typing import Annotated

import typer

import scpi._own_init  # noqa: F401  # before anything else of a folder that may be mixed
from scpi import __version__
from scpi.cli._benchmark import benchmark
from scpi.cli._command import Command
from scpi.cli._de import de
from scpi.cli._demo import demo
from scpi.cli._predict import predict
from scpi.cli._programs import programs
from scpi.cli._screen import screen

app = typer.Typer(
    name="scpi",
    help="Perturbation prediction and interpretability for single-cell data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"scpi {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Predict how cells respond to perturbations, and explain the predictions."""


for _command in (demo, screen, de, programs, predict):
    app.command(cls=Command)(_command)
app.add_typer(benchmark, name="benchmark")
