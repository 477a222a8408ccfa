"""Tables as files that are opened in a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """A table in which no text is a formula for a spreadsheet: what begins like one gets a single quote before it."""

    def quoted(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{name: [quoted(value) for value in table[name]] for name in texts})
