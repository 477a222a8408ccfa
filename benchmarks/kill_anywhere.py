"""What is left when a process ends at a random moment: kill -9, Ctrl-C, a disk that is full.

Three jobs write into a folder: models that are saved over each other, a run of `scpi screen`, and `benchmark.evaluate`.
Each is ended at random moments, over and over in the same folder until it has finished, and again from the start. After
every end, all files must open, and what was finished must still be there; the final results must be those of a job
that nobody ended. A full disk is a limit on the size of files, at which the system refuses to write::

    python kill_anywhere.py --out results/kill_anywhere.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import store

import scpi

if TYPE_CHECKING:
    from collections.abc import Callable

FORK = multiprocessing.get_context("fork")
SCREEN = {"n_perturbations": 3, "n_cells": 40, "n_control": 200, "n_decoy_sets": 3}
N_SAVES = 6


def save_models(out: Path) -> None:
    """Train a network and save it with its cells, and again over what is there."""
    adata = scpi.datasets.plant_screen(**SCREEN, rng=0)
    scpi.model.SENAVAE.setup_anndata(adata)
    model = scpi.model.SENAVAE(adata, likelihood="nb")
    for _ in range(N_SAVES):
        model.train(1, enable_progress_bar=False)
        model.save(out / "saved", overwrite=True, save_anndata=True)


def run_screen(out: Path) -> None:
    """The main job, which goes on where it was ended."""
    adata = scpi.datasets.plant_screen(**SCREEN, rng=0)
    if not (out / "run.json").is_file() or (out / "unfinished").is_dir():
        scpi.screen.run_screen(adata, out=out, resume=True, max_epochs=5)


def evaluate(out: Path) -> None:
    """Models over splits and seeds, which keeps scores and predicted cells."""
    adata = scpi.datasets.plant_screen(**SCREEN, rng=0)
    adata.X = adata.X.log1p()
    table = scpi.benchmark.evaluate(
        adata,
        {name: getattr(scpi.model, name) for name in ("Additive", "Linear", "MeanDelta")},
        scpi.benchmark.splits.leave_combinations_out(adata, n_splits=3, rng=0),
        seeds=(0, 1, 2),
        out=out,
        keep_predictions=True,
        progress=False,
    )
    table.drop(columns="seconds").to_csv(out / ".table", index=False)
    (out / ".table").replace(out / "table.csv")


JOBS: dict[str, Callable[[Path], None]] = {"save": save_models, "screen": run_screen, "evaluate": evaluate}


def opened(path: Path) -> Any:
    """A file, opened as its reader would; an error if it does not open."""
    if path.name == "model.json":
        return len(scpi.model.SENAVAE.load(path.parent, accelerator="cpu").history["objective_train"])
    if path.suffix == ".h5ad":
        return ad.read_h5ad(path).shape
    if path.suffix == ".json":
        return len(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".csv":
        return pd.read_csv(path).shape
    if path.suffix == ".html":
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path
    return None


def files(out: Path) -> list[Path]:
    """Files that have their names: those of a writer at work begin with a dot."""
    found = sorted(path for path in out.rglob("*") if path.is_file())
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(out).parts)]


def look(out: Path, answer: Any) -> None:
    """Open all files; the answer is what does not open."""
    one_quiet_thread()
    wrong = []
    for path in files(out):
        try:
            opened(path)
        except Exception as error:  # noqa: BLE001 - the subject
            wrong.append(f"{path.relative_to(out)}: {type(error).__name__}: {error}"[:300])
    answer.put(wrong)


def work(job: str, out: Path, limit: int | None, answer: Any) -> None:
    """Do a job, with a largest size of files; the answer is how it ended."""
    one_quiet_thread()
    scpi.settings.verbosity = "warning"
    # A shell lets what runs in the background ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        JOBS[job](out)
    except KeyboardInterrupt:
        answer.put("KeyboardInterrupt")
    except Exception as error:  # noqa: BLE001
        answer.put(f"{type(error).__name__}: {error}"[:300])
    else:
        answer.put("finished")


def started(job: str, out: Path, limit: int | None = None) -> tuple[Any, Any]:
    answer = FORK.SimpleQueue()
    process = FORK.Process(target=work, args=(job, out, limit, answer))
    process.start()
    return process, answer


def of_child(function: Callable[..., None], *args: Any) -> Any:
    """What a function answers in a process of its own: the parent computes nothing, so that it can fork."""
    answer = FORK.SimpleQueue()
    process = FORK.Process(target=function, args=(*args, answer))
    process.start()
    process.join()
    return answer.get()


def kept(job: str, out: Path) -> set[str]:
    """What is finished: it must not disappear."""
    if job == "save":
        return {"saved/model.json"} if (out / "saved" / "model.json").is_file() else set()
    names = {str(path.relative_to(out)).removeprefix("unfinished/") for path in files(out)}
    # What another run needs to go on is not needed when it is complete
    return names - {"arguments.json", "scores.json"}


def end(job: str, out: Path, way: str, seconds: float, size: int, rng: np.random.Generator) -> str:
    """Start a job and end it at a random moment; how it ended."""
    limit = int(2 ** rng.uniform(8, np.log2(size))) if way == "disk full" else None
    process, answer = started(job, out, limit)
    if way != "disk full":
        process.join(rng.uniform(0, seconds))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL if way == "kill" else signal.SIGINT)
    process.join()
    return "killed" if answer.empty() else answer.get()


def final(job: str, out: Path) -> Any:
    """The results of a job that do not depend on the time it took."""
    if job == "evaluate":
        return (out / "table.csv").read_text(encoding="utf-8")
    if job == "screen":
        tables = {path.name: path.read_text(encoding="utf-8") for path in sorted(out.glob("*.csv"))}
        return tables | {"files": sorted(path.name for path in out.iterdir())}
    return sorted(path.suffix for path in (out / "saved").iterdir() if not path.name.startswith(".scpi"))


def study(job: str, way: str, n_ends: int, seed: int) -> dict[str, Any]:
    """End a job at random moments, over and over."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        start = time.perf_counter()
        process, answer = started(job, whole)
        process.join()
        seconds = time.perf_counter() - start
        assert answer.get() == "finished"
        right, size = final(job, whole), max(path.stat().st_size for path in files(whole))
        out, ends, problems = Path(folder) / "out", [], []
        for _ in range(n_ends):
            before = kept(job, out) if out.is_dir() else set()
            ends.append(end(job, out, way, seconds, size, rng).partition(":")[0])
            if out.is_dir():
                problems += of_child(look, out)
                problems += [f"lost: {name}" for name in sorted(before - kept(job, out))]
            if ends[-1] == "finished":
                shutil.rmtree(out)
        process, answer = started(job, out)
        process.join()
        if (how := answer.get()) != "finished" or final(job, out) != right:
            problems.append(f"the job that went on: {how}, other results")
    counted = {how: ends.count(how) for how in sorted(set(ends))}
    return {"job": job, "way": way, "seconds": round(seconds, 1), "ends": counted, "problems": problems}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ends", type=int, default=30, help="Ends of each job in each way.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--ways", nargs="+", default=["kill", "Ctrl-C", "disk full"])
    parser.add_argument("--out", type=Path, help="File whose rows of the jobs and ways are replaced.")
    args = parser.parse_args()
    known = json.loads(args.out.read_text(encoding="utf-8")) if args.out and args.out.is_file() else []
    rows = {(row["job"], row["way"]): row for row in known}
    for job in args.jobs:
        for way in args.ways:
            rows[job, way] = study(job, way, args.ends, args.seed)
            print(json.dumps(rows[job, way]), flush=True)
            if args.out:
                store(args.out, list(rows.values()))


if __name__ == "__main__":
    main()
