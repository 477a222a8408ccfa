"""Cost of training the networks that predict perturbations, and one model for eight doses against eight models.

*Training*: kang_harmony, all 2,000 cells and its 2,000 most variable genes, each network with its default preset in a
separate process, with one and with two threads: wall-clock and CPU seconds, trainable parameters, and the peak resident
memory above that of the process with the loaded data. SCPREGAN has 2,000 steps instead of the published 20,000, and its
time is proportional to them. Wall-clock seconds require a machine without other load; CPU seconds on one thread are
valid on a busy one too.

*Levels*: a screen with eight doses, made of kang_harmony: its 1,000 controls, and 250 cells of each dose. A cell of a
dose combines a control cell and a treated cell of one cell type, drawn with replacement: a part of its counts, the
response, is drawn from the treated cell, and the rest from the control cell. The response rises from 0.02 to 0.98 along
the logarithm of the dose. All doses of one cell type are held out. "each" trains a model for each dose on the controls
and that dose, "one" a single model on all of them::

    SCPI_TEST_DATA=... python benchmarks/predict_training.py --out benchmarks/results/predict_training
    SCPI_TEST_DATA=... python benchmarks/predict_training.py --out benchmarks/results/predict_training --collect
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
import torch
from _prediction import (
    ModelSpec,
    Screen,
    baselines,
    evaluated,
    network,
    parser,
    read,
    run,
    tasks_of,
)
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import sparse

from scpi.benchmark import splits

if TYPE_CHECKING:
    from pathlib import Path

DATA = "kang_harmony"
NETWORKS = {
    "MultiTaskAE": network("MultiTaskAE"),
    "MultiTaskAE, counts": network("MultiTaskAE", layer="counts", likelihood="nb"),
    "SCGEN": network("SCGEN"),
    "SCVIDR": network("SCVIDR"),
    "SCButterfly": network("SCButterfly", validation_size=0.2),
    "SCPREGAN": network("SCPREGAN", n_steps=2000),
}
MODELS = NETWORKS | baselines("WeightedDelta")
# Of the models that are trained once for each level as well, or that are not
MODES = dict.fromkeys(("MultiTaskAE", "SCGEN", "SCButterfly"), ("one", "each"))
NOT_IN_LEVELS = {"SCPREGAN", "MultiTaskAE, counts"}
DOSES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
LEFT_OUT = ("CD14+ Monocytes", "CD4 T cells")
CELLS_OF_DOSE = 250


def peak() -> float:
    """Highest resident memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def n_parameters(candidate: ModelSpec, adata: ad.AnnData, **setup) -> int:
    candidate.model.setup_anndata(adata, **setup)
    module = candidate.model(adata, **candidate.init).module
    return sum(weights.numel() for weights in module.parameters() if weights.requires_grad)


def training(name: str) -> dict:
    """Train on all cells, and measure the cost."""
    screen, candidate = read(DATA), MODELS[name]
    adata = screen.adata
    layer = {} if candidate.layer is None else {"layer": candidate.layer}
    candidate.model.setup_anndata(adata, context_key=screen.context_key, **layer)
    model = candidate.model(adata, **candidate.init)
    rest, clock, processor = peak(), time.perf_counter(), time.process_time()
    share = candidate.validation_size
    model.train(train_size=1.0 - share, validation_size=share, **candidate.train)
    return {
        "seconds": round(time.perf_counter() - clock, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "peak_gb_above_data": round(peak() - rest, 3),
        "peak_gb": round(peak(), 3),
        "parameters": n_parameters(candidate, adata, context_key=screen.context_key, **layer),
        "epochs": max((len(values) for values in model.history.values()), default=0) if name in NETWORKS else 0,
    }


def simulated(seed: int) -> Screen:
    """Controls, and cells of eight doses made of control and treated cells."""
    rng = np.random.default_rng(seed)
    adata, key = read(DATA)
    counts = sparse.csr_matrix(adata.layers["counts"]).toarray().astype(np.int64)
    kinds = adata.obs[key].astype(str).to_numpy()
    is_control = (adata.obs["perturbation"] == "control").to_numpy()
    blocks, rows = [counts[is_control]], [("control", 0.0, kind) for kind in kinds[is_control]]
    responses = 1 / (1 + np.exp(-np.linspace(-4, 4, len(DOSES))))
    for dose, response in zip(DOSES, responses, strict=True):
        drawn = rng.choice(np.flatnonzero(is_control), CELLS_OF_DOSE)
        for kind in np.unique(kinds[drawn]):
            before = counts[drawn[kinds[drawn] == kind]]
            after = counts[rng.choice(np.flatnonzero(~is_control & (kinds == kind)), len(before))]
            blocks.append(rng.binomial(before, 1 - response) + rng.binomial(after, response))
            rows += [("drug", dose, kind)] * len(before)
    obs = pd.DataFrame(rows, columns=["condition", "dose", "cell_type"], index=[f"c{i}" for i in range(len(rows))])
    cells = ad.AnnData(sparse.csr_matrix(np.concatenate(blocks).astype(np.float32)), obs=obs, var=adata.var[[]].copy())
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    cells.obs["perturbation"] = cells.obs["condition"]
    return Screen(cells, "cell_type")


def levels(name: str, mode: str, context: str, seed: int) -> dict:
    """Predict all doses of a cell type with one model or with one for each."""
    screen, candidate = simulated(seed), MODELS[name]
    adata, key = screen
    doses = adata.obs["dose"].to_numpy()
    parts = [np.arange(adata.n_obs)] if mode == "one" else [np.flatnonzero(np.isin(doses, (0.0, d))) for d in DOSES]
    tables, parameters = [], 0
    rest, clock, processor = peak(), time.perf_counter(), time.process_time()
    for cells in parts:
        part = Screen(adata[cells].copy(), key)
        split = splits.leave_context_out(part.adata, context_key=key, contexts=context, rng=seed)[0]
        tables.append(
            evaluated(
                part,
                {name: candidate},
                split,
                seed=seed,
                out=None,
                context_key=key,
                dose_key="dose" if mode == "one" else None,
            )
        )
        if name in NETWORKS:
            setup = {"context_key": key} | ({"dose_key": "dose"} if mode == "one" else {})
            parameters += n_parameters(candidate, part.adata, **setup)
    table = pd.concat(tables, ignore_index=True)
    if mode == "each":
        table["dose"] = DOSES
    return {
        "models": len(parts),
        "seconds": round(time.perf_counter() - clock, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "training_seconds": round(float(table.groupby("seconds")["seconds"].first().sum()), 1),
        "peak_gb_above_data": round(peak() - rest, 3),
        "parameters": parameters,
        "doses": table["dose"].tolist(),
    } | {metric: table[metric].tolist() for metric in ("pearson", "error_ratio", "energy_distance")}


def collect(out: Path) -> None:
    tasks = list(Tasks(out).values())
    result = {"training": [task for task in tasks if task["what"] == "training"]}
    keys = ["model", "mode"]
    rows = pd.DataFrame(task for task in tasks if task["what"] == "levels")
    summary = []
    for place, group in rows.groupby(keys, sort=False) if len(rows) else ():
        row = dict(zip(keys, place, strict=True)) | {"models": int(group["models"].iloc[0]), "runs": len(group)}
        for name in ("parameters", "processor_seconds", "training_seconds", "peak_gb_above_data"):
            row[name] = float(group[name].mean())
        for name in ("pearson", "error_ratio", "energy_distance"):
            row[name] = float(np.mean(np.array(group[name].tolist(), dtype=float)))
            row[f"{name}_by_dose"] = np.mean(np.array(group[name].tolist(), dtype=float), axis=0).round(4).tolist()
        summary.append(row)
    result |= {"levels": summary, "doses": DOSES, "left_out": LEFT_OUT}
    store(out, result)
    for what in ("training", "levels"):
        print(pd.DataFrame(result[what]).to_string())


def main() -> None:
    arguments = parser(__doc__, models=list(MODELS))
    arguments.add_argument("--what", nargs="+", default=["training", "levels"], choices=["training", "levels"])
    arguments.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    arguments.add_argument("--child", nargs="+", help="task of a subprocess: internal option")
    args = arguments.parse_args()
    if args.child:
        one_quiet_thread()
        what, *task = args.child
        if what == "training":
            torch.set_num_threads(int(task[1]))
            found = {"what": what, "model": task[0], "threads": int(task[1])} | training(task[0])
        else:
            name, mode, context, seed = task
            found = {"what": what, "model": name, "mode": mode, "context": context, "seed": int(seed)}
            found |= levels(name, mode, context, int(seed))
        print(json.dumps(found))
        return
    if args.collect:
        collect(args.out)
        return
    done = Tasks(args.out)

    def work(*task: object) -> None:
        words = [str(word) for word in task]
        name = "_".join(words).replace(" ", "-")
        if name in done:
            return
        environment = os.environ | ({"OMP_NUM_THREADS": words[2]} if words[0] == "training" else {})
        command = [sys.executable, __file__, "--out", str(args.out), "--child", *words]
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        done.add(name, json.loads(ran.stdout.strip().splitlines()[-1]))

    tasks = tasks_of(["training"], args.models, args.threads) if "training" in args.what else []
    if "levels" in args.what:
        there = [name for name in args.models if name not in NOT_IN_LEVELS]
        modes = [(name, mode) for name in there for mode in MODES.get(name, ("one",))]
        tasks += [("levels", *pair, context, seed) for seed in args.seeds for context in LEFT_OUT for pair in modes]
    run(tasks, work, part=args.part)


if __name__ == "__main__":
    main()
