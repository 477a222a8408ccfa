"""Models of conditions on screens simulated on the design of OP3, from cells to scores against the known truth.

The file of the design (the conditions of OP3 with their SMILES) is in the folder of ``SCPI_TEST_DATA``. Every seed
simulates cells, tests their sums by limma-voom within cell types, divides the conditions in five ways, and scores every
method against the tests of what was left out, and against its true log fold changes. Intervals are over seeds, on none of
which a setting was chosen. An interrupted run resumes::

    SCPI_TEST_DATA=... python benchmarks/op3_like.py --out benchmarks/results/op3_like --seeds 0 1 2 3 4
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from _prediction import parser, records
from _quiet import one_quiet_thread
from _results import Tasks, store
from sklearn.feature_extraction.text import CountVectorizer

import scpi
from scpi.benchmark import op3_conditions, score_conditions, splits

if TYPE_CHECKING:
    from anndata import AnnData

VEHICLE = "Dimethyl Sulfoxide"
KEYS = {"perturbation_key": "sm_name", "context_key": "cell_type"}
METRICS = ["rmse", "pearson", "spearman", "pr_auc", "truth"]
METHODS: dict[str, dict[str, Any]] = {name: {"method": name} for name in scpi.model.ConditionModel.methods().index}
METHODS["boosted, z"] = {"method": "boosted", "transform": "z"}
METHODS["ensemble"] = {"method": ["ridge", "svd_ridge", "boosted"], "transform": "z", "n_repeats": 3}
METHODS |= {f"{name}, structure": {"method": name, "features": True} for name in ("ridge", "svd_ridge", "boosted")}


def simulate(seed: int) -> AnnData:
    design = Path(os.environ["SCPI_TEST_DATA"]) / "op3_design_553conditions.csv"
    return scpi.datasets.op3_like(design, n_genes=1000, rng=seed)


def tested(cells: AnnData) -> AnnData:
    """Samples with tests of each compound against the vehicle, within cell types."""
    keys = {"sample_key": ["plate_name", "well"], "groupby": ["cell_type", "sm_name"]}
    samples = scpi.de.pseudobulk(cells, **keys, min_cells=5)
    tests = {"split_by": "cell_type", "covariates": ["plate_name"], "filter_genes": False}
    scpi.de.limma(samples, "sm_name", reference=VEHICLE, **tests)
    return samples


def screen(cells: AnnData) -> tuple[AnnData, pd.DataFrame]:
    """Tested conditions of a simulated screen with their true log fold changes, and features of the compounds."""
    samples = tested(cells)
    conditions = op3_conditions(samples)
    truth = cells.uns["truth"]
    place = truth["conditions"].index.get_indexer(conditions.obs_names)
    conditions.layers["truth"] = truth["lfc"][place][:, samples.var_names.get_indexer(conditions.var_names)]
    for name in ("chemical_group", "split", "SMILES"):
        conditions.obs[name] = truth["conditions"][name].to_numpy()[place]
    smiles = conditions.obs.groupby("sm_name")["SMILES"].first()
    counter = CountVectorizer(analyzer="char", ngram_range=(4, 4), lowercase=False, binary=True)
    words = counter.fit_transform(smiles).toarray()
    return conditions, pd.DataFrame(words / np.sqrt(words.sum(1, keepdims=True)), index=smiles.index)


def scored(real: AnnData, predicted: AnnData) -> dict[str, float]:
    truth = score_conditions(real, {"": predicted}, layer="truth")["pearson"]
    return (
        score_conditions(real, {"": predicted}, significant="is_de_adj").assign(truth=truth)[METRICS].mean().to_dict()
    )


def divisions(conditions: Any, seed: int) -> dict[str, tuple[Any, Any]]:
    """Training and test conditions: the split of the competition, and one random part of each other way."""
    ways = {"random": "condition", "cell type": "context", "chemical group": "perturbation", "both": "both"}
    private = (conditions.obs["split"] == "private_test").to_numpy()
    found = {"OP3": (np.flatnonzero(~private), np.flatnonzero(private))}
    for name, way in ways.items():
        group = "chemical_group" if way in ("perturbation", "both") else None
        parts = splits.leave_conditions_out(conditions, leave_out=way, scaffold_key=group, **KEYS, rng=seed)
        found[name] = parts[seed % len(parts)].sets[::2]
    return found


def run_seed(seed: int) -> list[dict[str, Any]]:
    conditions, features = screen(simulate(seed))
    scpi.model.ConditionModel.setup_anndata(conditions, **KEYS)
    rows = []
    for division, (train, test) in divisions(conditions, seed).items():
        real = conditions[test].copy()
        for name, options in METHODS.items():
            start = time.process_time()
            given = options | ({"features": features} if "features" in options else {})
            model = scpi.model.ConditionModel(conditions, seed=seed, **given)
            model.train(indices=train)
            scores = scored(real, model.predict(real.obs))
            row = {"division": division, "model": name, "seed": seed, "seconds": time.process_time() - start}
            rows.append(row | scores)
    return records(pd.DataFrame(rows))


def collect(out: Path) -> None:
    runs = list(Tasks(out).values())
    table, found = pd.DataFrame([row for run in runs for row in run["scores"]]), {}
    for division, rows in table.groupby("division", sort=False):
        summary = scpi.benchmark.summarise(rows, metrics=METRICS, pair_by="seed", baseline="perturbation_mean")
        means = rows.groupby("model")[METRICS].mean().rank()
        agreement = round(float(means["pearson"].corr(means["truth"])), 3)
        found[division] = {"rank_agreement": agreement, "summary": records(summary)}
    result = {"memory_gb": max(run["memory_gb"] for run in runs), "seconds": sum(run["seconds"] for run in runs)}
    result |= {"seeds": sorted(int(seed) for seed in table["seed"].unique()), "divisions": found}
    store(out, result)


def main() -> None:
    args = parser(__doc__, models=list(METHODS)).parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    for seed in args.seeds:
        start = time.process_time()
        if f"seed{seed}" not in tasks:
            found: dict[str, Any] = {"scores": run_seed(seed), "seconds": round(time.process_time() - start)}
            found["memory_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
            tasks.add(f"seed{seed}", found)
    collect(args.out)


if __name__ == "__main__":
    main()
