"""Gene programs that are confounded with the batch: accuracy of units with balanced batches and with batches of 9:1.

Cells of two simulators in two batches: `gene_programs`, whose first program is on in nine of ten cells of the first
batch and in one of ten of the second, and `cell_type_programs`, whose stimulated cells are distributed in this way.
Accuracy is the rank correlation of a program with its best unit, and the AUROC of the genes of matched units. Batches
are given to GeneProgramAE, except as "without batches". Its parts are taken away: "free levels" are not orthogonal to
the effects of units, and with "input as it is" the encoder reads the batch, too. Chosen on seeds 1000 and 1001::

    python benchmarks/confounded_batches.py --out benchmarks/results/confounded_batches
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats

import scpi
from scpi import metrics
from scpi.benchmark.references import Factors
from scpi.model.base._constants import KEYS
from scpi.model.gene_program._module import GeneProgramModule

SEEDS = range(5)
SIMULATORS = {
    "gene_programs": (scpi.datasets.gene_programs, {"n_programs": 8}, "Program1"),
    "cell_type_programs": (scpi.datasets.cell_type_programs, {"n_types": 5}, "Response"),
}
SIZES = {"n_cells": 800, "n_genes": 200, "n_genes_per_program": 20, "n_batches": 2}
N_UNITS, N_EPOCHS = 16, 80
FREE = {"level_rows": lambda self: self.level}
AS_IT_IS = {"corrected": lambda self, tensors: tensors[KEYS.INPUT]}
METHODS: dict[str, dict] = {
    "GeneProgramAE": {},
    "free levels, input as it is": FREE | AS_IT_IS,
    "free levels": FREE,
    "input as it is": AS_IT_IS,
    "without batches": {},
}
CONFOUNDING = {"balanced": 0.5, "9:1": 0.9}


def units_of(adata, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Units, and their effects on the genes."""
    if name == "NMF":
        model = Factors(adata, kind="nmf", n_units=N_UNITS)
        model.train()
        return model.get_latent_representation(), model.get_loadings()
    scpi.model.GeneProgramAE.setup_anndata(adata, batch_key=None if name == "without batches" else "batch")
    with ExitStack() as stack:
        for attribute, function in METHODS[name].items():
            stack.enter_context(patch.object(GeneProgramModule, attribute, function))
        model = scpi.model.GeneProgramAE(adata, n_units=N_UNITS, seed=0)
        model.train(N_EPOCHS, accelerator="cpu", seed=0, enable_progress_bar=False, enable_model_summary=False)
        return model.get_latent_representation(), model.get_loadings().to_numpy()


def run(simulator: str, name: str, confounding: float, seed: int) -> dict:
    simulate, arguments, program = SIMULATORS[simulator]
    adata = simulate(**arguments, **SIZES, confounding=confounding, rng=seed)
    truth, weights = adata.obsm["programs"], adata.varm["programs"].to_numpy()
    place, code = list(truth).index(program), adata.obs["batch"].cat.codes.to_numpy()
    units, effects = units_of(adata, name)
    found = metrics.association(units, truth.to_numpy())
    genes = metrics.program_auroc(effects, weights != 0, matching=metrics.match_units(found))
    on = truth[program].to_numpy() > 0
    of_batch = [
        abs(stats.spearmanr(column[cells], code[cells]).statistic)
        for cells in (on, ~on)
        for column in units.T
        if np.ptp(column[cells]) > 0
    ]
    return {
        "program": round(float(found[:, place].max()), 4),
        "all programs": round(float(metrics.lms(found)), 4),
        "genes of the program": round(float(genes[place]), 4),
        "genes": round(float(genes.mean()), 4),
        "batch": round(float(max(of_batch)), 4),
    }


def interval(values: pd.Series) -> dict:
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std() / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": round(float(values.mean()), 4), "half": None if half is None else round(half, 4), "n": len(values)}


def collect(tasks: Tasks) -> list[dict]:
    rows = pd.DataFrame(
        dict(zip(("simulator", "method", "batches", "seed"), name.split("; "), strict=True)) | result
        for name, result in tasks.items()
    )
    measures = list(rows.columns[4:])
    return [
        dict(zip(("simulator", "method", "batches"), place, strict=True))
        | {measure: interval(group[measure]) for measure in measures}
        for place, group in rows.groupby(["simulator", "method", "batches"])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=["NMF", *METHODS], default=["NMF", *METHODS])
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    for seed, name, (batches, confounding), simulator in product(SEEDS, args.only, CONFOUNDING.items(), SIMULATORS):
        if (task := f"{simulator}; {name}; {batches}; {seed}") not in tasks:
            tasks.add(task, run(simulator, name, confounding, seed))
    store(args.out, collect(tasks))


if __name__ == "__main__":
    main()
