"""Peak memory above the data, of training, of every method of a model, and of every function of cells.

Random sparse cells with 5,000 genes, 8 % of the entries present, held once. Every call has a process of its own, in
which the peak is that of the call alone, and leaves a file, so that a second run goes on where the first stopped::

    python benchmarks/memory.py --cells 12500 25000 50000
    python benchmarks/memory.py --collect benchmarks/results/memory.json
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import inspect
import json
import multiprocessing
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import store
from scipy import sparse

import scpi

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from inputs.functions import Call, layer_of, models, tools, trained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Counts of 0.09 on average give 8 % of entries above 0
N_GENES, RATE, BLOCK = 5_000, 0.09, 5_000
N_BEFORE = 960
TASKS = Path(__file__).parent / "results" / "memory"
LIMIT = 900.0
# Functions of the layer of counts, or of a model of counts
READ_COUNTS = {
    *("tl.annotate_units", "tl.consensus_programs", "tl.gene_set_impact", "tl.impact_contrast", "tl.saliency"),
    *("tl.rank_genes_gradients", "de.estimate_overdispersion", "de.log_means", "de.fold_changes"),
}
# They would solve for all pairs of genes or of cells, which their docstrings say, or read no cells
LEFT_OUT = {"metrics.correlation_error"}
# What methods need that the setup of the models does not name
OPTIONS = {"remove_batch": {"batch_key": "batch"}}


def cells(n_cells: int, *, logs: bool, n_genes: int = N_GENES) -> ad.AnnData:
    """Random cells, with the columns that the calls read; X and the layer of counts are one matrix."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.5, 2 * RATE, n_genes).astype(np.float32)
    blocks = [min(BLOCK, n_cells - start) for start in range(0, n_cells, BLOCK)]
    x = sparse.vstack([sparse.csr_matrix(rng.poisson(rate, (n, n_genes)).astype(np.float32)) for n in blocks])
    x = x.tocsr()
    if logs:
        np.log1p(x.data, out=x.data)
    i = np.arange(n_cells)
    columns = {
        "group": np.array(["a", "b", "c"])[i % 3],
        "sample": np.array([f"s{k}" for k in range(4)])[i // 3 % 4],
        "cell_type": np.array(["T", "B"])[i % 2],
        "perturbation": np.array(["control", "control", "A", "A", "B", "A+B"])[i // 2 % 6],
        "dose": np.array([0.0, 0.0, 1.0, 10.0, 100.0, 10.0])[i // 2 % 6],
        "batch": np.array(["x", "y", "z"])[i // 12 % 3],
    }
    adata = ad.AnnData(x, obs=pd.DataFrame(columns, index=i.astype(str)))
    adata.layers["counts"] = adata.X
    adata.var_names = [f"g{i}" for i in range(n_genes)]
    adata.varm["gene_sets"] = np.arange(n_genes)[:, None] // 8 == np.arange(3)
    adata.uns["gene_sets"] = np.array(["first", "second", "third"], dtype=object)
    return adata


def status(key: str) -> float:
    """A line of the status of this process, in MB."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"{key}:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def measured(call: Callable[[], Any]) -> dict[str, float]:
    """Seconds of a call, and its peak above what was resident before, in MB."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before, start = status("VmRSS"), time.perf_counter()
    call()
    return {"above_mb": round(status("VmHWM") - before, 1), "seconds": round(time.perf_counter() - start, 2)}


def of_model(name: str, adata: ad.AnnData) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Training of a model, and its methods of registered cells."""
    kept = []
    yield f"{name}.train", lambda: kept.append(trained(name, adata, layer_of(name)))
    for method, function in inspect.getmembers(type(kept[0]), inspect.isfunction):
        first, *rest = [*inspect.signature(function).parameters.values()][1:] or [None]
        required = [p.name for p in rest if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        of_cells = first is not None and first.name == "adata" and first.default is None
        if not of_cells or method.startswith("_") or not function.__module__.startswith("scpi."):
            continue
        if set(required) - {"perturbation"}:
            continue
        yield (
            f"{name}.{method}",
            partial(getattr(kept[0], method), **dict.fromkeys(required, "A"), **OPTIONS.get(method, {})),
        )


def of_tool(name: str, adata: ad.AnnData) -> Iterator[tuple[str, Callable[[], Any]]]:
    """A function of annotated data; models that it needs are trained on few cells."""
    yield name, Call(name, adata, few=adata[:N_BEFORE].copy())


def of_test(method: str, adata: ad.AnnData) -> Iterator[tuple[str, Callable[[], Any]]]:
    """A test of `rank_genes`."""
    options = {"sample_key": "sample"} if method in ("edger", "deseq2", "limma") else {}
    yield f"de.rank_genes {method}", partial(scpi.de.rank_genes, adata, "group", method=method, **options)


def of_array(name: str, adata: ad.AnnData) -> Iterator[tuple[str, Callable[[], Any]]]:
    """A function of matrices."""
    room, _, short = name.partition(".")
    function = getattr(getattr(scpi, room), short)
    codes = adata.obs["group"].astype("category").cat.codes.to_numpy()
    x = adata.X
    given = {"codes": codes, "reference": None, "groups": codes}
    if room == "metrics":
        third = x.shape[0] // 3
        parts = [x[:third], x[third : 2 * third], x[2 * third :]]
        del adata.layers["counts"]
        adata.X = x = None
        names = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        yield name, partial(function, *parts[: len(names)])
        return
    names = [p for p in list(inspect.signature(function).parameters)[1:] if p in given]
    yield name, partial(function, x, **{p: given[p] for p in names})


def arrays() -> list[str]:
    """Functions of matrices of cells, as their docstrings say."""
    found = []
    for room in ("de", "metrics"):
        namespace = getattr(scpi, room)
        for name in namespace.__all__:
            doc = (inspect.getdoc(getattr(namespace, name)) or "").partition("Returns\n")[0]
            if re.search(r"cells x genes", doc, re.IGNORECASE) and f"{room}.{name}" not in {*tools(), *LEFT_OUT}:
                found.append(f"{room}.{name}")
    return found


def tasks() -> dict[str, tuple[Callable[..., Any], str]]:
    """What is measured, by a name for its file."""
    named = {name: (of_tool, name) for name in tools()}
    named |= {name: (of_array, name) for name in arrays()}
    named |= {f"de.rank_genes-{method}": (of_test, method) for method in scpi.de.methods()["method"]}
    return named | {name: (of_model, name) for name in models()}


def measure(path: Path, make: Callable[..., Any], name: str, adata: ad.AnnData) -> None:
    """Measure the calls of a task and write what was found, also when one fails."""
    found: dict[str, Any] = {}
    size = round((adata.X.data.nbytes + adata.X.indices.nbytes) / 2**20, 1)
    calls = make(name, adata)
    try:
        for label, call in calls:
            try:
                found[label] = measured(call)
            except Exception as error:  # noqa: BLE001 - the table says so
                found[label] = {"error": f"{type(error).__name__}: {error}"[:200]}
    except Exception as error:  # noqa: BLE001
        found[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
    for values in found.values():
        values["data_mb"] = size
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def reads_logs(task: str, name: str) -> bool:
    if task.startswith("de.rank_genes-"):
        return name not in ("edger", "deseq2", "zinb")
    return not layer_of(name) and task not in READ_COUNTS


def run(folder: Path, n_cells: int, only: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("fork")
    for logs in (True, False):
        adata = cells(n_cells, logs=logs)
        for task, (make, name) in tasks().items():
            path = folder / f"{task}-{n_cells}.json"
            if path.exists() or reads_logs(task, name) != logs or not re.search(only, task):
                continue
            process = context.Process(target=measure, args=(path, make, name, adata))
            process.start()
            process.join(LIMIT)
            if process.is_alive() or not path.exists():
                process.kill()
                path.write_text(json.dumps({task: {"error": f"not finished (exit code {process.exitcode})"}}))
            print(n_cells, task, path.read_text(encoding="utf-8").replace("\n", ""), flush=True)


def collect(folder: Path) -> dict[str, Any]:
    """Peaks of every call by number of cells, and the slope between the two largest numbers."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        n_cells = path.stem.rpartition("-")[2]
        for label, values in json.loads(path.read_text(encoding="utf-8")).items():
            found.setdefault(label, {})[n_cells] = values
    return {
        "n_genes": N_GENES,
        "calls": [{"call": label, **sizes, "slope": slope(sizes)} for label, sizes in found.items()],
    }


def slope(sizes: dict[str, dict[str, float]]) -> float | None:
    """Growth of the peak with the data, in units of the data, at the last step between sizes."""
    known = sorted((v["data_mb"], v["above_mb"]) for v in sizes.values() if "above_mb" in v)
    if len(known) < 2:
        return None
    (data, peak), (more_data, higher_peak) = known[-2:]
    return round((higher_peak - peak) / (more_data - data), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[12_500, 25_000, 50_000])
    parser.add_argument("--only", default="", help="Regular expression of the tasks.")
    parser.add_argument("--folder", type=Path, default=TASKS)
    parser.add_argument("--collect", type=Path)
    args = parser.parse_args()
    one_quiet_thread()
    if args.collect:
        store(args.collect, collect(args.folder))
        return
    for n_cells in args.cells:
        run(args.folder, n_cells, args.only)


if __name__ == "__main__":
    main()
