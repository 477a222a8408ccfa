"""Counts against log-normalised expression: unseen doubles of planted screens, scored by `predict` and by `evaluate`.

Screens of `planted_screen.py`. SENAVAE is trained on log-normalised expression, where its likelihood is normal, and on
counts, where it is negative binomial. The change of the mean is scored twice: from the cells that `predict` returns, by
hand, and by `evaluate` of the model, with the targets of the perturbations or without; a random half of the controls is
the start, and the other half what is compared with. An interrupted run resumes where it stopped::

    python benchmarks/likelihoods.py --out benchmarks/results/likelihoods.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import store
from planted_screen import TRAIN, plant

import scpi

if TYPE_CHECKING:
    import anndata as ad

KINDS = {"log, normal": {}, "counts, nb": {"likelihood": "nb"}, "Additive": None, "Linear": None}


def by_hand(adata: ad.AnnData, model, label: str, start, reference) -> float:
    """Correlation of the change of the cells that `predict` gives."""
    predicted = model.predict(perturbation=label, indices=start, n_cells=len(start), output="log", rng=0)
    before = adata[predicted.obs["source_cell"].tolist()].X
    change = np.asarray(predicted.X.mean(0) - before.mean(0)).ravel()
    measured = adata.X[(adata.obs["perturbation"] == label).to_numpy()]
    real = np.asarray(measured.mean(0) - adata.X[reference].mean(0)).ravel()
    return float(np.corrcoef(real, change)[0, 1])


def run(seed: int, interaction: float) -> list[dict]:
    adata = plant(seed, interaction)
    doubles = sorted(label for label in adata.obs["perturbation"].astype(str).unique() if "+" in label)
    doubles = sorted(np.random.default_rng(seed).choice(doubles, size=len(doubles) // 4, replace=False).tolist())
    rows = []
    for kind, options in KINDS.items():
        cls = scpi.model.SENAVAE if options is not None else getattr(scpi.model, kind)
        cls.setup_anndata(adata, layer="counts" if kind.startswith("counts") else None)
        model = cls(adata, **({"seed": seed} | options if options is not None else {}))
        extra = {"enable_progress_bar": False, "accelerator": "cpu"} | TRAIN if options is not None else {}
        start = time.perf_counter()
        model.train(held_out=doubles, train_size=0.9, seed=seed, **extra)
        seconds = time.perf_counter() - start
        controls = np.flatnonzero((adata.obs["perturbation"] == "control").to_numpy())
        half = np.sort(np.random.default_rng(seed).permutation(controls)[: len(controls) // 2])
        other = np.setdiff1d(controls, half)
        names = ["pearson", "error_ratio", "energy_distance"]
        score = partial(
            model.evaluate,
            perturbation=doubles,
            indices=np.arange(adata.n_obs),
            metrics=names,
            reference_cells=other,
            rng=seed,
        )
        means, whole = score()[names].mean(), score(exclude_targets=False)["pearson"].mean()
        hand = [by_hand(adata, model, label, half, other) for label in doubles]
        scores = {"predict": np.mean(hand), "evaluate": whole, "evaluate without targets": means["pearson"]}
        scores |= {name: means[name] for name in names[1:]} | {"seconds": round(seconds, 1)}
        found = {name: round(float(value), 4) for name, value in scores.items()}
        rows.append({"seed": seed, "interaction": interaction, "model": kind} | found)
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 5))
    parser.add_argument("--interactions", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    args = parser.parse_args()
    one_quiet_thread()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    rows = json.loads(args.out.read_text())["tasks"] if args.out.exists() else []
    done = {(row["seed"], row["interaction"]) for row in rows}
    for task in itertools.product(range(*args.seeds), args.interactions):
        if task in done:
            continue
        rows += run(*task)
        table = pd.DataFrame(rows)
        means = table.groupby("model", sort=False).mean(numeric_only=True).drop(columns=["seed", "interaction"])
        result = {"models": json.loads(means.round(4).to_json(orient="index")), "tasks": rows}
        store(args.out, result)
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
