"""Settings of MultiTaskAE, chosen on held-out training contexts.

Blood cells with interferon beta (kang_muscat and kang_harmony, as in `predict_contexts.py`). For every pair of cell
types, the treated cells of both are held out, and the model is trained on the remaining cells. To predict one of the
pair, the outer cell type, a setting may be chosen by its predictions of the other, the inner one, over all pairs with
that outer type: no treated cell of the outer type is used. The error ratio is the distance of the predicted from the
measured change of the mean, divided by that of no change; all controls are used on both sides. `WeightedDelta` is the
comparison.

The table has the mean over inner types for every setting, the choice for each outer type, and whether it is the
default. An interrupted run resumes where it stopped::

    SCPI_TEST_DATA=... python benchmarks/multitask_settings.py --out benchmarks/results/multitask_settings
    SCPI_TEST_DATA=... python benchmarks/multitask_settings.py --out benchmarks/results/multitask_settings --collect
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from _prediction import QUIET, part_of, read
from _quiet import one_quiet_thread
from _results import Tasks, store

import scpi
from scpi.metrics import pearson_delta

DATASETS = ("kang_muscat", "kang_harmony")
NETWORKS = {
    "film, variational": {},
    "concat, variational": {"conditioning": "concat"},
    "no condition, variational": {"conditioning": "none"},
    "film, deterministic": {"variational": False},
    "film from a random start, variational": {"film_start": "random"},
    "film, no shift": {"shift": "none"},
    "film from a random start, no shift": {"film_start": "random", "shift": "none"},
}
SHARES = (0.0, 0.33, 0.5, 0.67, 0.8)
DEFAULT = "film, variational, 0.67"


def scores(model, adata, key: str, context: str) -> dict[str, float]:
    """Correlation and error of the predicted change of the mean of a context."""
    own, label = adata.obs[key].astype(str) == context, adata.obs["perturbation"]
    control, treated = (np.flatnonzero(own & (label == name)) for name in ("control", "stim"))
    predicted = model.predict(
        perturbation="stim", context=context, indices=control, n_cells=len(control), output="mean"
    )
    before = np.asarray(adata.X[control].mean(0), dtype=np.float64).ravel()
    change = predicted.X.mean(0, dtype=np.float64) - before
    real = np.asarray(adata.X[treated].mean(0), dtype=np.float64).ravel() - before
    error = np.linalg.norm(change - real) / np.linalg.norm(real)
    return {"pearson": float(pearson_delta(real, change)), "error_ratio": float(error)}


def run(name: str, pair: tuple[str, str], rows: list[dict]) -> list[dict]:
    """Rows of all settings, of which some may exist already."""
    screen, known = read(name), {row["setting"] for row in rows}
    adata, key = screen.adata, screen.context_key
    left_out = adata.obs[key].astype(str).isin(pair) & (adata.obs["perturbation"] != "control")
    cells, rows = [np.flatnonzero(~left_out)], list(rows)

    def add(setting: str, model, seconds: float) -> None:
        for inner, outer in (pair, pair[::-1]):
            found = scores(model, adata, key, inner)
            rows.append({"setting": setting, "inner": inner, "outer": outer, "seconds": round(seconds, 1)} | found)

    if "WeightedDelta" not in known:
        scpi.model.WeightedDelta.setup_anndata(adata, context_key=key)
        baseline = scpi.model.WeightedDelta(adata)
        baseline.train(datasplitter_kwargs={"external_indexing": cells})
        add("WeightedDelta", baseline, 0.0)
    for network, changes in NETWORKS.items():
        if f"{network}, {SHARES[0]:g}" in known:
            continue
        scpi.model.MultiTaskAE.setup_anndata(adata, context_key=key)
        model = scpi.model.MultiTaskAE(adata, seed=0, **changes)
        start = time.perf_counter()
        model.train(datasplitter_kwargs={"external_indexing": cells}, **QUIET)
        seconds = time.perf_counter() - start
        for share in SHARES:
            # The weight of other contexts' changes is used only in predictions
            model.preset_ = replace(model.preset_, transfer=share)
            add(f"{network}, {share:g}", model, seconds)
    return rows


def collect(out: Path) -> None:
    result, done = {}, Tasks(out)
    for name in DATASETS:
        table = pd.concat([pd.DataFrame(rows) for task, rows in done.items() if task.startswith(f"{name}_")])
        means = table.groupby("setting", sort=False)[["pearson", "error_ratio"]].mean()
        of_outer = table[table["setting"] != "WeightedDelta"].pivot_table(
            index="outer", columns="setting", values="error_ratio", aggfunc="mean"
        )
        result[name] = {
            "inner": {setting: {k: round(float(v), 4) for k, v in row.items()} for setting, row in means.iterrows()},
            "chosen": of_outer.idxmin(axis=1).to_dict(),
            "default_minus_chosen": (of_outer[DEFAULT] - of_outer.min(axis=1)).round(4).to_dict(),
        }
        print(name, means.round(4).to_string(), result[name]["chosen"], sep="\n")
    store(out, result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--collect", action="store_true")
    args = parser.parse_args()
    if args.collect:
        collect(args.out)
        return
    one_quiet_thread()
    done = Tasks(args.out)
    tasks = [
        (name, pair)
        for name in DATASETS
        for pair in itertools.combinations(sorted(read(name).adata.obs[read(name).context_key].astype(str).unique()), 2)
    ]
    for name, pair in part_of(tasks, args.part):
        words = "-".join("".join(letter if letter.isalnum() else "" for letter in word) for word in pair)
        there = done.get(f"{name}_{words}", [])
        found = run(name, pair, there)
        if len(found) > len(there):
            done.add(f"{name}_{words}", found)
            print(name, pair, flush=True)


if __name__ == "__main__":
    main()
