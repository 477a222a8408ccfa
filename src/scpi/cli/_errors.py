"""What is printed on an error, and what is kept off the screen."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from scpi._warn import DataWarning
from scpi.cli._command import with_options

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def clear_errors(*, debug: bool, quiet: bool = False) -> Iterator[list[str]]:
    """Report an error in one line with exit code 2, Ctrl-C with 130, and silence warnings of dependencies.

    Warnings of scpi about the data are shown in one line each, and listed for the report. If ``quiet``, neither they nor
    messages of scpi are shown.
    """
    said: list[str] = []
    if debug:
        yield said
        return

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = with_options(" ".join(str(message).split()))
        if line not in said:
            said.append(line)
            if not quiet:
                typer.secho(f"Warning: {line}", fg=typer.colors.YELLOW, err=True)

    try:
        with warnings.catch_warnings(), _level(logging.ERROR if quiet else logging.NOTSET):
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", DataWarning)
            warnings.showwarning = show
            yield said
    except KeyboardInterrupt as stop:
        _say_why("Interrupted.", stop)
        raise typer.Exit(130) from stop
    except (KeyError, ValueError, TypeError, OSError, ImportError, NotImplementedError) as error:
        message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        _say_why(f"Error: {' '.join(message.split()) or type(error).__name__}", error)
        raise typer.Exit(2) from error


@contextmanager
def _level(least: int) -> Iterator[None]:
    """Show messages of scpi from this level on; its own level comes back."""
    logger = logging.getLogger("scpi")
    before = logger.level
    logger.setLevel(max(least, before))
    try:
        yield
    finally:
        logger.setLevel(before)


def _say_why(message: str, error: BaseException) -> None:
    """Print one line on an error, with what it says of results that were kept."""
    typer.secho(with_options(" ".join([message, *getattr(error, "__notes__", [])])), fg=typer.colors.RED, err=True)
