from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from scpi.cli._command import Command, with_options


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("replace its results by `overwrite=True`.", "replace its results by --force."),
        ("(`held_out`) or `delimiter=None`", "(--held-out) or --delimiter ''"),
        ("`likelihood=nb` of `obs` and `obs.columns`", "--likelihood nb of `obs` and `obs.columns`"),
        ("`file` and `label_key`", "`file` and `label_key`"),
    ],
)
def test_arguments_of_functions_are_options_of_the_running_command(message, expected):
    app = typer.Typer()

    @app.command(cls=Command)
    def show(
        file: str,
        held_out: str = "",
        delimiter: str = "",
        likelihood: str = "",
        force: Annotated[bool, typer.Option("--force")] = False,
    ) -> None:
        typer.echo(with_options(message))

    assert CliRunner().invoke(app, ["cells.h5ad"]).output == f"{expected}\n"
    # Outside of a command nothing is changed
    assert with_options(message) == message
