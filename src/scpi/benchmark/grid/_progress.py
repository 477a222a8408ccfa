"""A bar of the tasks of a grid."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONGEST = 60


@contextmanager
def progress_bar(n_tasks: int, *, shown: bool) -> Iterator[Callable[[int, int, int, str], None]]:
    """Give a function that takes the numbers of finished, failed and running tasks, and the title of the latest."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    words = TextColumn("{task.description}", markup=False)
    columns = (words, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        shown_task = bar.add_task("", total=n_tasks)

        def show(finished: int, failed: int, running: int, title: str) -> None:
            notes = f" ({running} running{f', {failed} failed' if failed else ''})"
            cut = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 3]}..."
            bar.update(shown_task, completed=finished + failed, description=cut + notes)

        yield show
