"""How many units: by the likelihood of held-out counts, by stability, and by what single units say of labels.

The sets of cells and the questions of ``unit_labels.py``. The counts of every cell are thinned to two halves. A model of
each number of units is trained on each half: the likelihood is that of the counts of the other half under the fractions
that the model decodes, in nats per count, and the similarity of a unit is the largest cosine of its effects
with those of a unit of the other half. A third model has all counts, and the best unit of every label is measured as in that script.
Nothing is chosen here but the number of units that is asked for. One result per task; an interrupted run resumes::

    SCPI_TEST_DATA=... python benchmarks/unit_numbers.py --out benchmarks/results/unit_numbers
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import Tasks, store
from unit_labels import DATA, DEVELOPMENT, answer, cells, interval, neighbours

import scpi

if TYPE_CHECKING:
    import anndata as ad

SIZES, SEEDS = (5, 10, 20, 40, 80), range(3)
DEFAULT = 20
HALVES = ("thinned_train", "thinned_test")


def trained(adata: ad.AnnData, n_units: int, seed: int, layer: str | None = None) -> scpi.model.GeneProgramAE:
    scpi.model.GeneProgramAE.setup_anndata(adata, layer=layer)
    model = scpi.model.GeneProgramAE(adata, n_units=n_units, seed=seed)
    model.train(accelerator="cpu", enable_progress_bar=False, seed=seed)
    return model


def likelihood(model: scpi.model.GeneProgramAE, adata: ad.AnnData, layer: str) -> float:
    """Mean log-likelihood of a count of another layer, of the fractions that the model decodes."""
    logs = np.log(np.maximum(model.get_normalized_expression(adata, library_size=1).to_numpy(np.float64), 1e-12))
    counts = adata.layers[layer]
    return float(counts.multiply(logs).sum() / counts.sum())


def similarity(models: list[scpi.model.GeneProgramAE]) -> float:
    """Mean largest cosine of the units of the first model with those of the second one."""
    first, second = (model.get_loadings().to_numpy() for model in models)
    units = [each[:, each.any(axis=0)] for each in (first, second)]
    left, right = (each / np.linalg.norm(each, axis=0) for each in units)
    return float((left.T @ right).max(axis=1).mean())


def run(name: str, n_units: int, seed: int) -> dict:
    adata, questions = cells(name, seed), (DATA | DEVELOPMENT)[name]
    obs = adata.obs.copy()
    scpi.de.thin_counts(adata, rng=seed)
    halves = [trained(adata, n_units, seed, layer) for layer in HALVES]
    held_out = [likelihood(model, adata, layer) for model, layer in zip(halves, HALVES[::-1], strict=True)]
    units = trained(adata, n_units, seed).get_latent_representation()
    areas = [np.mean(list(answer(question, obs, units).values())) for question in questions]
    columns = dict.fromkeys(question.column for question in questions)
    return {
        "likelihood": round(float(np.mean(held_out)), 5),
        "similarity": round(similarity(halves), 4),
        "active": int((units > 0).any(axis=0).sum()),
        "auroc": round(float(np.mean(areas)), 4),
        "accuracy": round(float(np.mean([neighbours(obs, column, units) for column in columns])), 4),
    }


def collect(tasks: Tasks) -> dict:
    """Means by the number of units, and what the number of the highest likelihood gives beside the default."""
    table = pd.DataFrame(
        {"data": data, "n_units": int(size), "seed": int(seed), **found}
        for name, found in tasks.items()
        for data, size, seed in (name.split(", "),)
    )
    measured = ["likelihood", "similarity", "active", "auroc", "accuracy"]
    means = table.groupby(["data", "n_units"])[measured].mean().round(4).reset_index()
    means["n"] = table.groupby(["data", "n_units"]).size().to_numpy()
    whole = table.groupby(["data", "seed"]).filter(lambda rows: set(rows["n_units"]) == set(SIZES))
    best = whole.loc[whole.groupby(["data", "seed"])["likelihood"].idxmax()].set_index(["data", "seed"])
    default = whole[whole["n_units"] == DEFAULT].set_index(["data", "seed"])
    chosen = best.groupby("data")["n_units"].agg(list).to_dict()
    differences = {
        what: interval((best[what] - default[what].loc[best.index]).to_numpy()) for what in ("auroc", "accuracy")
    }
    return {"means": means.to_dict("records"), "chosen": chosen, "differences": differences, "default": DEFAULT}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    args = parser.parse_args()
    one_quiet_thread()
    scpi.settings.verbosity = "warning"
    tasks = Tasks(args.out)
    for seed, name, n_units in product(args.seeds, DATA | DEVELOPMENT, SIZES):
        if (task := f"{name}, {n_units}, {seed}") not in tasks:
            tasks.add(task, run(name, n_units, seed))
            print(task, flush=True)
    store(args.out, collect(tasks))


if __name__ == "__main__":
    main()
