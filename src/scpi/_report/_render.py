"""From a template and what it shows to a file, without a request to anywhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def render(package: str, template: str, path: Path, **context: Any) -> None:
    """Write a template of a package, which extends the one that all share, to a file."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in (package, "scpi._report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    html = environment.get_template(template).render(**context)
    path.write_text(html, encoding="utf-8")


def as_frame(table: pd.DataFrame) -> dict[str, Any]:
    """Columns and rows of a table, as the template takes them."""
    return {
        "columns": [str(name).replace("_", " ") for name in table.columns],
        "rows": table.astype(object).to_numpy().tolist(),
    }


def as_gene_table(table: pd.DataFrame, *, caption: str, file: str, n_shown: int = 5000) -> dict[str, Any]:
    """A table that the page searches by its first two columns, with the first rows of it; ``file`` has the others."""
    shown = table.head(n_shown)
    few = (
        ""
        if len(shown) == len(table)
        else f" The first {len(shown):,} of {len(table):,} rows; the others are in {file}."
    )
    columns = [str(name).replace("_", " ") for name in shown.columns]
    return {
        "caption": f"{caption}{few}",
        "search": " or ".join(columns[:2]).capitalize(),
        "columns": columns,
        "rows": [[cell(value) for value in row] for row in shown.astype(object).to_numpy().tolist()],
    }


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.2e}" if value != 0 and abs(value) < 1e-3 else f"{value:.3f}"
    return str(value)
