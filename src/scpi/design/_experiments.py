"""Simulations of experiments of several sizes, with a progress bar and one file per size."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scpi._fingerprint import fingerprint
from scpi._slots import listed
from scpi._store import file_stem, read_result, write_result
from scpi._versions import versions
from scpi.design._called import known_tests
from scpi.design._simulate import Size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scpi.design._pilot import Pilot


def all_sizes(
    pilot: Pilot,
    *,
    n_cells: Sequence[int] | int,
    n_controls: int | None,
    n_replicates: Sequence[int] | int,
    n_guides: Sequence[int] | int = 1,
    depth: Sequence[float] | float,
) -> list[Size]:
    """List the sizes of all experiments from the arguments of a public function."""
    if not pilot.controls:
        msg = f"No sample has three cells or more of the control {pilot.reference!r} with counts."
        raise ValueError(msg)
    if n_controls is None:
        n_controls = round(sum(map(len, pilot.controls.values())) / len(pilot.controls))
    lists = {
        "n_cells": _as_list(n_cells),
        "n_controls": [n_controls],
        "n_replicates": _as_list(n_replicates),
        "n_guides": _as_list(n_guides),
    }
    for name, values in lists.items():
        least = 1 if name in ("n_replicates", "n_guides") else 2
        if not values or min(values) < least or any(value != int(value) for value in values):
            msg = f"`{name}` must be integers of at least {least}, but is {listed(values)}."
            raise ValueError(msg)
    depths = _as_list(depth)
    if not depths or not min(depths) > 0:
        msg = f"`depth` must be above 0, relative to that of the pilot, but is {listed(depths)}."
        raise ValueError(msg)
    return [
        Size(int(cells), int(controls), int(replicates), int(guides), float(factor))
        for cells, controls, replicates, guides, factor in itertools.product(*lists.values(), depths)
    ]


def check_test(
    test: str, sample_key: str | None, sizes: Sequence[Size], pval_cutoff: float, n_simulations: int
) -> None:
    """Raise an error if a test is unknown, or has no replicates to compare."""
    tests = known_tests()
    if test not in tests:
        msg = f"`test` must be one of {listed(tests)}, but is {test!r}."
        raise ValueError(msg)
    if tests[test] == "sample" and (sample_key is None or min(size.n_replicates for size in sizes) < 2):
        msg = (
            f"{test!r} compares samples: give their column, `sample_key=`, and two replicates or more, `n_replicates=`."
        )
        raise ValueError(msg)
    if not 0 < pval_cutoff < 1 or n_simulations < 1:
        msg = f"`pval_cutoff` must be between 0 and 1 and `n_simulations` at least 1, but they are {pval_cutoff} and {n_simulations}."
        raise ValueError(msg)


def run_sizes(
    sizes: Sequence[Size],
    compute: Callable[[Size], pd.DataFrame],
    *,
    name: str,
    depends_on: Any,
    out: str | Path | None,
    progress: bool,
) -> pd.DataFrame:
    """Compute a table for each size, or read it if it is stored in the folder ``out``, and join them."""
    tables = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        shown = bar.add_task("", total=len(sizes))
        for size in sizes:
            bar.update(shown, description=f"{size.n_cells} cells, depth {size.depth:g}")
            word = "" if out is None else fingerprint([name, versions()["scpi"], depends_on, list(size)])
            path = None if out is None else Path(out) / f"{file_stem(name, size.n_cells, fingerprint=word)}.json"
            table = None if path is None else read_result(path, word)
            if table is None:
                table = compute(size)
                if path is not None:
                    write_result(path, table, {"fingerprint": word, "versions": versions()})
            tables.append(table.assign(**size._asdict()))
            bar.advance(shown)
    table = pd.concat(tables, ignore_index=True)
    return table[[*Size._fields, *(column for column in table if column not in Size._fields)]]


def _as_list(values: Sequence[Any] | Any) -> list[Any]:
    return [values] if isinstance(values, int | float) else list(values)
