"""Unmeasured doses: interpolation, and extrapolation beyond the largest dose.

sci-Plex, A549 cells with dexamethasone at seven doses and without, 500 cells x 198 genes. Each dose but the smallest is
held out in turn: five lie between others, and the largest one is extrapolated from the next. Half of the 56 controls is
used for training and as the start of predictions; the measured change is computed relative to the other half, drawn
again for every seed. "interpolation" is the measured change of the neighbouring doses, linear in log1p of the dose, and
constant beyond the largest (MeanDelta with a column of contexts, of which there is one); "mean of all doses" ignores
the dose; LinearDose is proportional to log1p of it. SCVIDR shifts latent means between those of the neighbouring doses,
with `dose_response="log"` in proportion to log1p of the dose, as published. MultiTaskAE interpolates codes between
levels of the dose, or, with "dose", uses its logarithm as the code. One file per model, dose and seed::

    SCPI_TEST_DATA=... python benchmarks/predict_doses.py --out benchmarks/results/predict_doses
    SCPI_TEST_DATA=... python benchmarks/predict_doses.py --out benchmarks/results/predict_doses --collect

Intervals are over the doses, of which there are few, from the means of the seeds. The response is weak in these cells:
the ceiling shows how well half of the cells measure the response to a dose.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from _prediction import (
    CEILINGS,
    ModelSpec,
    baselines,
    evaluated,
    in_order,
    kept,
    network,
    parser,
    read,
    records,
    run,
    summary_of,
    tasks_of,
)

import scpi
from scpi.benchmark import splits

# With and without a column of contexts: the mean change of all doses uses neither
SINGLE = {"mean of all doses"}
BASELINES = baselines("NoChange", "LinearDose") | {
    "mean of all doses": ModelSpec(model=scpi.model.MeanDelta),
    "interpolation": ModelSpec(model=scpi.model.MeanDelta),
}
NETWORKS = {
    "MultiTaskAE": network("MultiTaskAE"),
    "MultiTaskAE, counts": network("MultiTaskAE", layer="counts", likelihood="nb"),
    "MultiTaskAE, dose": network("MultiTaskAE", coding="dose"),
    "SCVIDR": network("SCVIDR"),
    "SCVIDR, log": network("SCVIDR", dose_response="log"),
}
MODELS = BASELINES | NETWORKS
NAMES = [*BASELINES, *CEILINGS, *NETWORKS]


def collect(out) -> None:
    table = in_order(kept(out), NAMES)
    largest = table["dose"].max()
    parts = {"interpolated": table[table["dose"] < largest], "extrapolated": table[table["dose"] == largest]}
    result = {
        name: summary_of(of, networks=list(NETWORKS), reference="LinearDose", pair_by=("dose",))
        for name, of in parts.items()
    }
    means = table.groupby(["dose", "model"], sort=False)[["pearson", "error_ratio", "n_cells"]].mean().reset_index()
    means = in_order(means.sort_values("dose"), NAMES)
    result["by_dose"] = records(means)
    out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(means.pivot(index="model", columns="dose", values="pearson").loc[list(result["interpolated"]["models"])])
    for name in parts:
        print(name, result[name]["rank"])
        shown = pd.DataFrame(result[name]["summary"]).query("metric in ('pearson', 'error_ratio', 'energy_distance')")
        print(shown.pivot(index="model", columns="metric", values="mean").to_string())


def main() -> None:
    args = parser(__doc__, models=list(MODELS)).parse_args()
    if args.collect:
        collect(args.out)
        return
    screen = read("sciplex")
    there = np.unique(screen.adata.obs.loc[screen.adata.obs["perturbation"] != "control", "dose"])

    def work(model: str, seed: int, dose: float) -> None:
        context_key = None if model in SINGLE else screen.context_key
        split = splits.leave_doses_out(screen.adata, dose_key="dose", doses=[dose], context_key=context_key, rng=seed)[
            0
        ]
        evaluated(
            screen, {model: MODELS[model]}, split, seed=seed, out=args.out, context_key=context_key, dose_key="dose"
        )

    run(tasks_of(args.models, args.seeds, there[1:].tolist()), work, part=args.part)


if __name__ == "__main__":
    main()
