"""Models of conditions on screens simulated on the design of OP3, from cells to scores against the known truth.

The file of the design (the conditions of OP3 with their SMILES) is in the folder of ``SCPI_TEST_DATA``. Every seed
simulates cells, sums them to samples, tests them by limma-voom within cell types, divides the conditions in five ways,
and scores every method against the tests of the conditions that were left out, and against their true log fold changes.
A seed has a file of its own; an interrupted run resumes where it stopped::

    SCPI_TEST_DATA=... python benchmarks/op3_like.py --out benchmarks/results/op3_like

Intervals are over seeds (screens). No setting was chosen on these seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from _prediction import records
from _quiet import one_quiet_thread
from sklearn.feature_extraction.text import CountVectorizer

import scpi
from scpi.benchmark import op3_conditions, score_conditions, splits

if TYPE_CHECKING:
    from anndata import AnnData

DESIGN = "op3_design_553conditions.csv"
VEHICLE = "Dimethyl Sulfoxide"
KEYS = {"perturbation_key": "sm_name", "context_key": "cell_type"}
METRICS = ["rmse", "pearson", "spearman", "pr_auc", "truth"]
NAMES = ("zeros", "mean", "context_mean", "perturbation_mean", "half_perturbation_mean", "shrunken_mean")
METHODS: dict[str, dict[str, Any]] = {
    name: {"method": name} for name in (*NAMES, "ridge", "knn", "svd_ridge", "forest")
}
METHODS |= {
    "boosted": {"method": "boosted"},
    "boosted, z": {"method": "boosted", "transform": "z"},
    "ensemble": {"method": ["ridge", "svd_ridge", "boosted"], "transform": "z", "n_repeats": 3},
    "ridge, structure": {"method": "ridge", "features": True},
    "svd_ridge, structure": {"method": "svd_ridge", "features": True},
    "boosted, structure": {"method": "boosted", "features": True},
}


def screen(seed: int) -> tuple[AnnData, pd.DataFrame]:
    """Tested conditions of a simulated screen with their true log fold changes, and features of the compounds."""
    design = pd.read_csv(Path(os.environ["SCPI_TEST_DATA"]) / DESIGN)
    cells = scpi.datasets.op3_like(design, n_genes=1000, rng=seed)
    samples = scpi.de.pseudobulk(
        cells, sample_key=["plate_name", "well"], groupby=["cell_type", "sm_name"], min_cells=5
    )
    tests = {"reference": VEHICLE, "split_by": "cell_type", "covariates": ["plate_name"], "filter_genes": False}
    scpi.de.limma(samples, "sm_name", **tests)
    conditions = op3_conditions(samples)
    truth = cells.uns["truth"]
    place = truth["conditions"].index.get_indexer(conditions.obs_names)
    conditions.layers["truth"] = truth["lfc"][place][:, samples.var_names.get_indexer(conditions.var_names)]
    known = truth["conditions"].iloc[place]
    for name in ("chemical_group", "split", "SMILES"):
        conditions.obs[name] = known[name].to_numpy()
    smiles = conditions.obs.groupby("sm_name")["SMILES"].first()
    words = (
        CountVectorizer(analyzer="char", ngram_range=(4, 4), lowercase=False, binary=True)
        .fit_transform(smiles)
        .toarray()
    )
    return conditions, pd.DataFrame(words / np.sqrt(words.sum(1, keepdims=True)), index=smiles.index)


def divisions(conditions: AnnData, seed: int) -> dict[str, tuple[Any, Any]]:
    """Training and test conditions: the split of the competition, and one random part of each other way."""
    ways = {
        "random": {"leave_out": "condition"},
        "cell type": {"leave_out": "context"},
        "chemical group": {"leave_out": "perturbation", "scaffold_key": "chemical_group"},
        "both": {"leave_out": "both", "scaffold_key": "chemical_group"},
    }
    private = (conditions.obs["split"] == "private_test").to_numpy()
    found = {"OP3": (np.flatnonzero(~private), np.flatnonzero(private))}
    for name, way in ways.items():
        parts = splits.leave_conditions_out(conditions, **KEYS, **way, rng=seed)
        part = parts[seed % len(parts)]
        found[name] = (part.train, part.test)
    return found


def run_seed(seed: int) -> list[dict[str, Any]]:
    conditions, features = screen(seed)
    scpi.model.ConditionModel.setup_anndata(conditions, **KEYS)
    rows = []
    for division, (train, test) in divisions(conditions, seed).items():
        real = conditions[test].copy()
        for name, options in METHODS.items():
            start = time.process_time()
            given = options | ({"features": features} if "features" in options else {})
            model = scpi.model.ConditionModel(conditions, seed=seed, **given)
            model.train(indices=train)
            predicted = model.predict(real.obs[["sm_name", "cell_type"]])
            scores = score_conditions(real, {name: predicted}, significant="is_de_adj")
            scores["truth"] = score_conditions(real, {name: predicted}, layer="truth")["pearson"]
            row = {"division": division, "model": name, "seed": seed, "seconds": time.process_time() - start}
            rows.append(row | scores[METRICS].mean().to_dict())
    return records(pd.DataFrame(rows))


def collect(out: Path) -> None:
    table = pd.DataFrame([row for path in sorted(out.glob("*.json")) for row in json.loads(path.read_text())["scores"]])
    found = {}
    for division, rows in table.groupby("division", sort=False):
        summary = scpi.benchmark.summarise(rows, metrics=METRICS, pair_by="seed", baseline="perturbation_mean")
        means = rows.groupby("model")[METRICS].mean()
        agreement = means["pearson"].rank().corr(means["truth"].rank())
        found[division] = {"rank_agreement": round(float(agreement), 3), "summary": records(summary)}
    memory = max(json.loads(path.read_text())["memory_gb"] for path in out.glob("*.json"))
    seconds = sum(json.loads(path.read_text())["seconds"] for path in out.glob("*.json"))
    result = {
        "seeds": sorted(int(seed) for seed in table["seed"].unique()),
        "memory_gb": memory,
        "seconds": round(seconds),
    }
    out.with_suffix(".json").write_text(json.dumps(result | {"divisions": found}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    one_quiet_thread()
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:
        path, start = args.out / f"seed{seed}.json", time.process_time()
        if not path.exists():
            scores = run_seed(seed)
            memory = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
            seconds = round(time.process_time() - start)
            path.write_text(json.dumps({"scores": scores, "seconds": seconds, "memory_gb": memory}, indent=1) + "\n")
    collect(args.out)


if __name__ == "__main__":
    main()
