"""The folder and the page of a command."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scpi._report._render import cell, render
from scpi._report._tables import for_spreadsheets
from scpi._run_folder import output_folder
from scpi._versions import versions
from scpi.cli._say import consoles, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from rich.table import Table

REPORT = "report.html"
_N_ROWS = 20


@contextmanager
def results_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """A scratch folder, whose files move to ``out`` together at the end; after an error nothing is left.

    That ``out`` can be written to, and holds nothing unless ``force`` is given, is checked first.
    """
    target = output_folder(out, overwrite=force, resume=False)
    near = next(path for path in (target, *target.parents) if path.exists())
    with tempfile.TemporaryDirectory(prefix=".scpi-", dir=near) as scratch:
        yield Path(scratch)
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(Path(scratch).iterdir()):
            if (target / path.name).is_dir():
                shutil.rmtree(target / path.name)
            path.replace(target / path.name)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV file that a spreadsheet can open."""
    for_spreadsheets(table).to_csv(path, index=False)


def write_page(folder: Path, *, settings: Mapping[str, Any], genes: dict[str, Any], **context: Any) -> None:
    """Write the report of a command, on the files that lie in the folder, see ``templates/page.html``."""
    given = [(name, value) for name, value in settings.items() if value not in (None, [], (), "")]
    contents = {"design": "Design", "figures": "Figures", "genes": "Genes", "tables": "Tables"}
    contents |= {"methods": "Methods", "settings": "Settings"}
    render(
        "scpi.cli",
        "page.html",
        folder / REPORT,
        date=datetime.datetime.now(tz=datetime.UTC).strftime("%d %B %Y"),
        versions=versions(),
        contents=list(contents.items()),
        settings=given,
        genes=genes,
        files=sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir()),
        **context,
    )


def software() -> str:
    """Packages with their versions, for a paragraph of methods."""
    found = versions()
    return ", ".join(f"{name} {found[name]}" for name in ("scpi", "scvi-tools", "scanpy", "torch") if name in found)


def _as_rich(table: pd.DataFrame) -> Table:
    """The first rows of a table for the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for position, name in enumerate(table.columns):
        shown.add_column(str(name).replace("_", " "), justify="left" if position == 0 else "right")
    for row in table.head(_N_ROWS).astype(object).to_numpy().tolist():
        shown.add_row(*map(cell, row))
    if len(table) > _N_ROWS:
        shown.caption = f"{len(table) - _N_ROWS} more rows are in the report."
    return shown


def show_results(
    out: Path,
    files: Mapping[str, str],
    *,
    verdict: str,
    notes: Sequence[str],
    table: pd.DataFrame | None = None,
    quiet: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Print a table, the verdict and where the report is, or all as JSON."""
    progress, shown = consoles(quiet=quiet, as_json=as_json)
    for note in notes:
        progress.print(f"Note: {note}", style="dim", highlight=False)
    if table is not None:
        shown.print(_as_rich(table), highlight=False)
    shown.print(verdict, highlight=False)
    shown.print(f"Report: {out / REPORT}", style="bold", highlight=False, soft_wrap=True)
    if as_json:
        places = {name: str(out / path) for name, path in ({"report": REPORT} | dict(files)).items()}
        say(places | {"verdict": verdict, "notes": list(notes)} | more)
