"""Generated cells on screens simulated on the design of OP3, beside models of the tables of conditions.

The screens, tests and scores are those of ``op3_like.py``. An NB-VAE that is conditioned on cell type, compound and plate is
trained on the cells of the training conditions and the vehicle. For the conditions that were left out, as many cells as were
measured are generated in every well, with those of the vehicle, and tested as the measured ones are, over three draws. The
expectations of the same cells are tested as well, as published. An interrupted run
resumes::

    SCPI_TEST_DATA=... python benchmarks/op3_generated.py --out benchmarks/results/op3_generated
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _prediction import records
from _quiet import one_quiet_thread
from _results import Tasks, store
from anndata import AnnData
from op3_like import KEYS, METRICS, VEHICLE, divisions, scored, screen, simulate, tested

import scpi

COVARIATES = ["cell_type", "sm_name", "plate_name"]
WAYS = ("OP3", "random")
SIMPLE = ("zeros", "context_mean", "perturbation_mean", "ridge", "boosted")
DRAWS = 3


def generated(cells: AnnData, conditions: AnnData, train: np.ndarray, real: AnnData, seed: int) -> dict[str, AnnData]:
    """Tests of what an NB-VAE generates for conditions that were left out, by name."""
    pairs = pd.MultiIndex.from_frame(cells.obs[["cell_type", "sm_name"]].astype(str))
    names = ["cell_type", "sm_name"]
    known, asked = (pd.MultiIndex.from_frame(part.obs[names].astype(str)) for part in (conditions[train], real))
    vehicle = (cells.obs["sm_name"] == VEHICLE).to_numpy()
    chosen = cells[pairs.isin(known) | vehicle].copy()
    scpi.model.NBVAE.setup_anndata(chosen, categorical_covariate_keys=COVARIATES)
    model = scpi.model.NBVAE(chosen, seed=seed)
    model.train(enable_progress_bar=False, accelerator="cpu")
    rows = cells.obs[pairs.isin(asked) | vehicle]
    plan = rows.astype(str).groupby([*COVARIATES, "well"]).size().rename("n_cells").reset_index()
    draws = [tested(model.generate(plan, rng=draw)) for draw in range(DRAWS)]
    expected = model.generate(plan, output="mean")
    expected.X = np.rint(expected.X)
    return {"NBVAE": scpi.de.pool_limma(draws), "NBVAE, expectations": tested(expected)}


def run(seed: int) -> list[dict[str, Any]]:
    cells = simulate(seed)
    conditions, _ = screen(cells)
    scpi.model.ConditionModel.setup_anndata(conditions, **KEYS)
    rows = []
    for division in WAYS:
        train, test = divisions(conditions, seed)[division]
        real = conditions[test].copy()
        predicted = {}
        for name in SIMPLE:
            model = scpi.model.ConditionModel(conditions, method=name, seed=seed)
            model.train(indices=train)
            predicted[name] = model.predict(real.obs)
        start = time.process_time()
        for name, samples in generated(cells, conditions, train, real, seed).items():
            # Genes with too few generated counts for a test have no evidence of a change
            table = scpi.benchmark.op3_conditions(samples).to_df().reindex(real.obs_names, columns=real.var_names)
            predicted[name] = AnnData(table.fillna(0.0), obs=real.obs)
        seconds = time.process_time() - start
        rows += [
            {"division": division, "model": name, "seed": seed, "seconds": seconds} | scored(real, found)
            for name, found in predicted.items()
        ]
    return records(pd.DataFrame(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    for seed in args.seeds:
        if f"seed{seed}" not in tasks:
            tasks.add(f"seed{seed}", run(seed))
    table = pd.DataFrame([row for rows in tasks.values() for row in rows])
    means = table.groupby(["division", "model"], sort=False)[METRICS].agg(["mean", "min", "max"])
    print(means.round(3).T.to_string())
    rows = table.groupby(["division", "model"], sort=False)[METRICS].mean().round(4).reset_index()
    found = {"seeds": sorted(table["seed"].unique().tolist()), "rows": rows.to_dict("records")}
    store(args.out, found)


if __name__ == "__main__":
    main()
