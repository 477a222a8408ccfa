"""Known ways to game a score: the gain of each over its baseline in the preset `honest`, on the data of six grids.

python gaming.py --out results/gaming.json      # a file per grid in the folder `results/gaming`, which is not made again
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from _quiet import one_quiet_thread
from _results import Tasks, store
from _screens import read

from scpi import __version__
from scpi.benchmark import gaming_suite

GRIDS = (
    "Kang, types",
    "planted, combinations",
    "planted, perturbations",
    "glioblastoma",
    "planted, no effect",
    "Papalexi",
)


def play(name: str, tasks: Tasks) -> dict[str, object]:
    """Gains of every way in every metric, kept in a file."""
    if name not in tasks:
        adata, divisions, setup = read(name)
        began = time.perf_counter()
        found = gaming_suite(adata, divisions, n_cells=100, **setup).round(4)
        rows = json.loads(found.to_json(orient="records"))
        content = {"grid": name, "scpi": __version__, "seconds": round(time.perf_counter() - began), "rows": rows}
        tasks.add(name, content)
    return dict(tasks[name])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--grids", nargs="+", default=GRIDS, choices=GRIDS)
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    store(args.out, [play(name, tasks) for name in args.grids])
