"""Which perturbations act alike: p-values of unrelated effects, power and coverage of alike ones, a real screen, time.

One task per case, and one result per task; an interrupted run resumes where it stopped. *simulated*: six perturbations on 20
components; effects are absent, have random directions, or have a cosine of 0.8. In half of the cells, where a case says so, the
effect is twice as large, and absent in the others. *screens*: 20 perturbations, of which a fraction has an effect in a random
direction; is any pair called alike? *papalexi*: pairs of Papalexi et al. (2021). *time*: 1,000 perturbations, 500,000 cells::

    SCPI_TEST_DATA=... python benchmarks/perturbation_similarity.py --out benchmarks/results/perturbation_similarity.json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import Tasks, store

import scpi

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_COMPONENTS, N_SETS, LEVEL = 20, 200, 0.05
# Strength, cells per perturbation, control cells, batches, kind
CASES = {
    "no effect": (0.0, 50, 300, 1, "unrelated"),
    "no effect, as many controls": (0.0, 50, 50, 1, "unrelated"),
    "no effect, few controls": (0.0, 200, 20, 1, "unrelated"),
    "unrelated": (2.0, 50, 300, 1, "unrelated"),
    "unrelated, batches": (2.0, 50, 100, 4, "unrelated"),
    "unrelated, few controls": (1.0, 200, 20, 1, "unrelated"),
    "unrelated, half respond": (2.0, 50, 300, 1, "half"),
    "alike": (2.0, 50, 300, 1, "alike"),
    "alike, weak": (1.0, 50, 300, 1, "alike"),
    "alike, few controls": (2.0, 200, 20, 1, "alike"),
}
SCREENS = [(0.0, 50, 300), (0.0, 50, 50), (0.0, 200, 20), (0.5, 50, 300), (0.5, 50, 50), (0.5, 200, 20)]


def directions(rng: np.random.Generator, n: int, *, alike: bool) -> NDArray[np.float64]:
    """Vectors of length 1 in random directions, or with a cosine of 0.8 with each other."""
    found = rng.normal(size=(n, N_COMPONENTS))
    if alike:
        common = rng.normal(size=N_COMPONENTS)
        common /= np.linalg.norm(common)
        # Orthogonal to what is common and to each other
        found = np.linalg.qr(np.vstack([common, found]).T)[0].T[1:]
        return np.sqrt(0.8) * common + np.sqrt(0.2) * found
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def compared(
    rng: np.random.Generator, effects: NDArray[np.float64], n_cells: int, n_controls: int, n_batches: int, kind: str
) -> ad.AnnData:
    names = np.array(["control", *(f"p{i:02}" for i in range(len(effects)))])
    code = np.repeat(np.arange(len(names)), [n_controls] + [n_cells] * len(effects))
    change = np.vstack([np.zeros(N_COMPONENTS), effects])[code]
    if kind == "half":
        change *= 2 * (rng.random(len(code)) < 0.5)[:, None]
    batch = rng.integers(n_batches, size=len(code))
    values = rng.normal(size=change.shape) + change + (5 * rng.normal(size=(n_batches, N_COMPONENTS)))[batch]
    obs = {"perturbation": names[code], "batch": batch.astype(str)}
    adata = ad.AnnData(np.zeros((len(code), 1), np.float32), obs=obs, obsm={"X_rep": values})
    # Without an effect, all perturbations are to be compared
    cutoff = LEVEL if effects.any() else 1 - 1e-9
    scpi.tl.perturbation_similarity(adata, use_rep="X_rep", batch_key="batch", pval_cutoff=cutoff)
    return adata


def simulated(case: str) -> dict[str, Any]:
    strength, n_cells, n_controls, n_batches, kind = CASES[case]
    tables = []
    for seed in range(N_SETS):
        rng = np.random.default_rng([seed, n_controls])
        effects = directions(rng, 6, alike=kind == "alike")
        adata = compared(rng, strength * effects, n_cells, n_controls, n_batches, kind)
        table = scpi.get.perturbation_similarity(adata)
        place = {f"p{i:02}": effect for i, effect in enumerate(effects)}
        true = [place[a] @ place[b] for a, b in zip(table["perturbation"], table["other"], strict=True)]
        tables.append(table.assign(true=true))
    found = pd.concat(tables)
    rates = {f"p{level:g}": float((found["pval"] <= level).mean()) for level in (0.05, 0.01, 0.001)}
    numbers = {"strength": strength, "cells": n_cells, "controls": n_controls, "batches": n_batches}
    result = {"case": case, **numbers, "pairs": len(found), **rates}
    if strength:
        error = found["similarity"] - found["true"]
        inside = found["true"].between(found["similarity_low"], found["similarity_high"])
        result |= {"error": float(error.mean()), "coverage": float(inside.mean())}
    return result


def screens() -> list[dict[str, Any]]:
    rows = []
    for fraction, n_cells, n_controls in SCREENS:
        called = 0
        for seed in range(N_SETS):
            rng = np.random.default_rng([seed, n_controls])
            effects = 2 * directions(rng, 20, alike=False) * (np.arange(20) < 20 * fraction)[:, None]
            code = np.repeat(np.arange(21), [n_controls] + [n_cells] * 20)
            values = rng.normal(size=(len(code), N_COMPONENTS)) + np.vstack([np.zeros(N_COMPONENTS), effects])[code]
            obs = {"perturbation": np.array(["control", *(f"p{i}" for i in range(20))])[code]}
            adata = ad.AnnData(np.zeros((len(code), 1), np.float32), obs=obs, obsm={"X_rep": values})
            scpi.tl.perturbation_similarity(adata, use_rep="X_rep")
            called += bool((scpi.get.perturbation_similarity(adata)["pval_adj"] <= LEVEL).any())
        rows.append({"effects": fraction, "cells": n_cells, "controls": n_controls, "called": called / N_SETS})
    return rows


def papalexi() -> dict[str, Any]:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / "papalexi2021_eccite_299genes.h5ad")
    options = {"control": "non-targeting", "batch_key": "bio_rep", "exclude_targets": True}
    scpi.tl.perturbation_similarity(adata, **options)
    pairs = scpi.get.perturbation_similarity(adata)
    effects = scpi.get.perturbation_similarity(adata, output="perturbations")
    return {
        "tested": len(effects),
        "with_effect": effects.loc[effects["has_effect"], "perturbation"].astype(str).tolist(),
        "pairs": len(pairs),
        "significant": int((pairs["pval_adj"] <= LEVEL).sum()),
        "first": json.loads(pairs.head(16).round(4).to_json(orient="records")),
    }


def seconds() -> dict[str, Any]:
    """Time after principal components, on one thread."""
    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(1001), [20_000, *[480] * 1000])
    effects = np.vstack([np.zeros(N_COMPONENTS), directions(rng, 1000, alike=False)])
    values = (rng.normal(size=(len(code), N_COMPONENTS)) + effects[code]).astype(np.float32)
    obs = {"perturbation": pd.Categorical.from_codes(code, ["control", *(f"p{i}" for i in range(1000))])}
    obs["batch"] = (np.arange(len(code)) % 8).astype(str)
    adata = ad.AnnData(np.zeros((len(code), 1), np.float32), obs=obs, obsm={"X_rep": values})
    start, start_of_process = time.perf_counter(), time.process_time()
    scpi.tl.perturbation_similarity(adata, use_rep="X_rep", batch_key="batch")
    spent = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - start_of_process}
    n_pairs = len(adata.uns["perturbation_similarity"]["pairs"]["pval"])
    return {"cells": len(code), "pairs": n_pairs} | {key: round(value, 1) for key, value in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    one_quiet_thread()
    tasks = {"papalexi": papalexi, "time": seconds} | {case: lambda case=case: simulated(case) for case in CASES}
    tasks["screens"] = screens
    done = Tasks(out)
    for name, task in tasks.items():
        if name not in done:
            done.add(name, task())
            print(json.dumps({name: done[name]}), flush=True)
    shown = {name: done[name] for name in ("papalexi", "time", "screens")}
    store(out, {"simulated": [done[case] for case in CASES], **shown})


if __name__ == "__main__":
    main()
