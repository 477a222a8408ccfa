"""Processor seconds and memory of the rank-sum test of 300 groups: `scpi.de.rank_genes` beside illico, which it calls.

Random sparse log-normalised counts, an eighth of them not zero; the first group, a tenth of the cells, is the control. Both run
on one thread, in turn, in one process. Memory is the peak over the call above what the process held before, data included::

    python benchmarks/many_groups_speed.py --out benchmarks/results/many_groups_speed --cells 30000
"""

import argparse
import contextlib
import io
import time
from pathlib import Path
from statistics import median

from _results import Tasks, store
from illico import asymptotic_wilcoxon
from loguru import logger
from rank_genes_speed import random_cells

import scpi

N_GROUPS, N_GENES = 300, 5000


def resident(field: str) -> float:
    """GB of memory of this process, now ("VmRSS") or at its peak ("VmHWM")."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1e6


def measure(call) -> tuple[float, float]:
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts from here
    before, start = resident("VmRSS"), time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        call()
    return time.process_time() - start, resident("VmHWM") - before


def calls_of(adata, reference: str | None) -> dict:
    options = {"is_log1p": True, "group_keys": "group", "reference": reference, "n_threads": 1}
    return {
        "illico": lambda: asymptotic_wilcoxon(adata, **options),
        "scpi": lambda: scpi.de.rank_genes(adata, "group", reference=reference or "rest", n_jobs=1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cells", type=int, nargs="+", default=[30_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    logger.disable("illico")
    tasks = Tasks(args.out)
    for n_cells in args.cells:
        adata = random_cells(n_cells, N_GENES, n_groups=N_GROUPS)
        for reference, name in ((None, "rest"), ("0", "control")):
            calls = calls_of(adata, reference)
            found = [{key: measure(call) for key, call in calls.items()} for _ in range(args.rounds)]
            row = {f"{key}_s": median(one[key][0] for one in found) for key in calls}
            row |= {f"{key}_gb": max(one[key][1] for one in found) for key in calls} | {"rounds": args.rounds}
            row |= {"data_gb": (adata.X.data.nbytes + adata.X.indices.nbytes + adata.X.indptr.nbytes) / 1e9}
            tasks.add(f"{n_cells:,} x {N_GENES:,}, {name}", row | {"over_illico": row["scpi_s"] / row["illico_s"]})
            store(args.out, dict(tasks))


if __name__ == "__main__":
    main()
