"""Does a perturbation do anything, in which cells, and do its guides agree: errors, calls and time.

One task per question, and one result per task; an interrupted run resumes where it stopped. *simulated*: guides with random
effects, 200 genes of three guides without an effect against nine guides of the controls, fractions with p < 0.05; the
statistic was developed on these. *fake genes*: 200 random genes of three or four of the nine non-targeting guides of
Papalexi et al. (2021) against the other guides, within replicates. *papalexi*: calls of the 25 knock-outs, fractions of
responders, guides that agree. *time*: 2,000 perturbations of 30 cells, 500 controls, 1,000 permutations::

    SCPI_TEST_DATA=... python benchmarks/perturbation_effect.py --out benchmarks/results/perturbation_effect.json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import store

import scpi

LEVEL, N_NULL = 0.05, 200


def tested(adata: ad.AnnData, **options: Any) -> pd.DataFrame:
    scpi.tl.perturbation_effect(
        adata, **({"perturbation_key": "gene", "use_rep": "X_rep", "n_permutations": 200} | options)
    )
    return scpi.get.perturbation_effect(adata)


def rates(frames: list[pd.DataFrame]) -> dict[str, float]:
    found = pd.concat(frames)
    return {key: float((found[key] <= LEVEL).mean()) for key in ("pval_cells", "pval_guides", "pval")}


def simulated() -> list[dict[str, Any]]:
    """Guides whose means differ by `spread` standard deviations of a cell in each of ten components."""
    rows = []
    for spread in (0.0, 0.1, 0.3):
        for own, control in ((100, 100), (12, 200), (200, 30)):
            frames = []
            for seed in range(N_NULL):
                rng = np.random.default_rng([seed, own])
                guide = np.repeat(np.arange(12), [own] * 3 + [control] * 9)
                values = rng.normal(size=(len(guide), 10)) + spread * rng.normal(size=(12, 10))[guide]
                obs = {"gene": np.where(guide < 3, "gene", "control"), "guide": guide.astype(str)}
                adata = ad.AnnData(np.zeros((len(guide), 1), np.float32), obs=obs, obsm={"X_rep": values})
                frames.append(tested(adata, guide_key="guide", n_cells=300))
            rows.append({"spread": spread, "cells_of_guide": own, "cells_of_control_guide": control} | rates(frames))
    return rows


def papalexi() -> ad.AnnData:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / "papalexi2021_eccite_299genes.h5ad")
    adata.obs["gene"] = adata.obs["perturbation"].astype(str).replace("non-targeting", "control")
    adata.obs["guide"] = adata.obs["guide"].astype(str)
    return adata


def fake_genes() -> dict[str, Any]:
    adata = papalexi()
    adata = adata[adata.obs["gene"] == "control"].copy()
    names, rng, frames = np.unique(adata.obs["guide"]), np.random.default_rng(0), []
    for _ in range(N_NULL):
        chosen = rng.choice(names, rng.integers(3, 5), replace=False)
        adata.obs["gene"] = np.where(adata.obs["guide"].isin(chosen), "fake", "control")
        frames.append(tested(adata, use_rep=None, batch_key="bio_rep", guide_key="guide", rng=rng))
    return {"n": N_NULL, "guides": len(names)} | rates(frames)


def real() -> list[dict[str, Any]]:
    adata, shared = papalexi(), {"perturbation_key": "gene", "batch_key": "bio_rep"}
    cells = tested(adata, use_rep=None, batch_key="bio_rep", n_permutations=1000).set_index("perturbation")
    effects = tested(adata, use_rep=None, batch_key="bio_rep", guide_key="guide", n_permutations=1000)
    scpi.tl.responders(adata, **shared)
    scpi.tl.guide_agreement(adata, "guide", **shared)
    effects["active_without_guides"] = effects["perturbation"].map(cells["active"])
    for table in (scpi.get.responders(adata), scpi.get.guide_agreement(adata)):
        effects = effects.merge(table[table.columns.difference(["n_cells", "n_guides"])], on="perturbation", how="left")
    return json.loads(effects.round(4).to_json(orient="records"))


def seconds() -> list[dict[str, Any]]:
    """Time on one thread; the processor seconds do not depend on what else runs."""
    names = np.r_[np.repeat("control", 500), np.repeat([f"p{i}" for i in range(2000)], 30)]
    values = np.random.default_rng(0).normal(size=(len(names), 20))
    obs = {"gene": names, "batch": (np.arange(len(names)) % 8).astype(str)}
    obs["guide"] = np.where(names == "control", (np.arange(len(names)) % 50).astype(str), obs["batch"])
    adata = ad.AnnData(np.zeros((len(names), 1), np.float32), obs=obs, obsm={"X_rep": values})
    found = []
    for keys in ((), ("batch_key",), ("batch_key", "guide_key")):
        start, start_of_process = time.perf_counter(), time.process_time()
        tested(adata, n_permutations=1000, **{key: key.removesuffix("_key") for key in keys})
        spent = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - start_of_process}
        found.append({"with": " and ".join(keys) or "neither"} | {key: round(value, 1) for key, value in spent.items()})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    one_quiet_thread()
    found = json.loads(out.read_text()) if out.exists() else {}
    for name, task in {"papalexi": real, "fake_genes": fake_genes, "simulated": simulated, "time": seconds}.items():
        if name not in found:
            found[name] = task()
            store(out, found)
            print(json.dumps({name: found[name]}), flush=True)


if __name__ == "__main__":
    main()
