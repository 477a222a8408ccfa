"""Unmeasured doses: interpolation, and extrapolation beyond the largest dose.

sci-Plex, A549 cells with dexamethasone at seven doses and without, 500 cells x 198 genes. Each dose but the smallest is
held out in turn: five lie between others, and the largest one is extrapolated from the next. Half of the 56 controls is
used for training and as the start of predictions; the measured change is computed relative to the other half, drawn
again for every seed. "interpolation" is the measured change of the neighbouring doses, linear in log1p of the dose, and
constant beyond the largest (MeanDelta with a column of contexts, of which there is one); "mean of all doses" ignores
the dose; LinearDose is proportional to log1p of it. SCVIDR shifts latent means between those of the neighbouring doses,
with `dose_response="log"` in proportion to log1p of the dose, as published. MultiTaskAE interpolates codes between
levels of the dose, or, with "dose", uses its logarithm as the code; "counts" is its form of counts. Predicted cells are
what `predict` gives by default. Models that read logarithms are evaluated a second time with the means that they expect
(`output="mean"`). One file per model, dose and seed::

    SCPI_TEST_DATA=... python benchmarks/predict_doses.py --out benchmarks/results/predict_doses
    SCPI_TEST_DATA=... python benchmarks/predict_doses.py --out benchmarks/results/predict_doses --collect

Intervals are over the doses, of which there are few, from the means of the seeds. The response is weak in these cells:
the ceiling shows how well half of the cells measure the response to a dose.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from _prediction import (
    CEILINGS,
    MEANS,
    ModelSpec,
    baselines,
    evaluated,
    in_order,
    kept,
    network,
    of_means,
    parser,
    read,
    records,
    run,
    summary_of,
    tasks_of,
)
from _results import store

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
# The logarithm of a mean count is no mean of logarithms
MODELS = (
    BASELINES | NETWORKS | of_means({name: spec for name, spec in (BASELINES | NETWORKS).items() if not spec.layer})
)
NAMES = [*BASELINES, *CEILINGS, *NETWORKS]


def collect(out) -> None:
    table = kept(out)
    is_mean = table["model"].str.endswith(MEANS)
    # Ceilings compare measured cells, and stand beside both
    either = table["model"].isin(CEILINGS)
    means = table[is_mean | either].assign(model=table["model"].str.removesuffix(MEANS))
    result = {}
    for kind, of in {"cells": table[~is_mean], "means": means}.items():
        of = in_order(of, NAMES)
        largest = of["dose"].max()
        for name, own in {"interpolated": of["dose"] < largest, "extrapolated": of["dose"] == largest}.items():
            networks, part = list(NETWORKS), f"{name} {kind}"
            result[part] = summary_of(of[own], networks=networks, reference="LinearDose", pair_by=("dose",))
            print(part, result[part]["rank"])
            shown = pd.DataFrame(result[part]["summary"])
            shown = shown.query("metric in ('pearson', 'error_ratio', 'energy_distance')")
            print(shown.pivot(index="model", columns="metric", values="mean").to_string())
    by_dose = in_order(table, NAMES).groupby(["dose", "model"], sort=False)
    by_dose = by_dose[["pearson", "error_ratio", "n_cells"]].mean().reset_index()
    result["by_dose"] = records(in_order(by_dose.sort_values("dose"), NAMES))
    store(out, result)


def main() -> None:
    args = parser(__doc__, models=list(MODELS)).parse_args()
    if args.collect:
        collect(args.out)
        return
    screen = read("sciplex")
    there = np.unique(screen.adata.obs.loc[screen.adata.obs["perturbation"] != "control", "dose"])

    def work(model: str, seed: int, dose: float) -> None:
        context_key = None if model.removesuffix(MEANS) in SINGLE else screen.context_key
        split = splits.leave_doses_out(screen.adata, dose_key="dose", doses=[dose], context_key=context_key, rng=seed)[
            0
        ]
        evaluated(
            screen, {model: MODELS[model]}, split, seed=seed, out=args.out, context_key=context_key, dose_key="dose"
        )

    run(tasks_of(args.models, args.seeds, there[1:].tolist()), work, part=args.part)


if __name__ == "__main__":
    main()
