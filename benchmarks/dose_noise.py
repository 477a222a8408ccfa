"""Changes under an unmeasured dose, from few cells: kriging beside what takes measured changes as they are.

Simulated counts of 200 genes in controls and at seven doses (0.1 to 100), with Hill curves of log fold changes: their size,
the depth and the numbers of cells differ. One dose at a time is held out (1, 10, 100), and the change of the mean of
log-normalised expression is predicted from the others by the straight line in log1p of the dose, by the mean of all
doses, by a change in proportion to log1p of the dose, and by the weights that MultiTaskAE takes with fewer than three
contexts. The error is that of the change in 5,000 cells, over its size::

    python benchmarks/dose_noise.py --out benchmarks/results/dose_noise.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _quiet import one_quiet_thread
from _results import store

from scpi._screen._composition import dose_weights
from scpi.model.multitask._kriging import kriging_weights

DOSES, HELD_OUT, SEEDS = np.array([0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0]), (1.0, 10.0, 100.0), range(4)
# Controls, cells at each dose, counts of a cell, standard deviation of log fold changes, and their curves
SCREENS = {
    "few cells, 50 counts": (28, 60, 50, 1.0, "Hill"),
    "few cells, 50 counts, weak": (28, 60, 50, 0.5, "Hill"),
    "few cells, 1,500 counts": (60, 60, 1500, 0.5, "Hill"),
    "many cells, 50 counts": (300, 300, 50, 0.7, "Hill"),
    "saturated at the smallest dose": (40, 60, 100, 0.5, "flat"),
    "only at the largest doses": (40, 60, 100, 1.0, "late"),
}


def cells(rng, level, change, depth, n):
    """log-normalised expression of cells."""
    size = rng.lognormal(np.log(depth), 0.8, n)[:, None]
    x = rng.poisson(size * np.exp(level + change) / np.exp(level).sum() * rng.gamma(1.0, 1.0, (n, len(level))))
    return np.log1p(1e4 * x / np.maximum(x.sum(1, keepdims=True), 1))


def errors(name: str, seed: int) -> list[dict]:
    n_control, n_cells, depth, sd, curve = SCREENS[name]
    rng = np.random.default_rng(seed)
    level, top = rng.normal(0, 1.2, 200), rng.normal(0, sd, 200) * (rng.random(200) < 0.4)
    middle, slope = np.exp(rng.uniform(np.log(0.2), np.log(30.0), 200)), rng.uniform(0.7, 2.0, 200)
    middle, slope = {"Hill": (middle, slope), "flat": (1e-6, 1.0), "late": (40.0, 2.0)}[curve]
    changes = {dose: top * dose**slope / (dose**slope + middle**slope) for dose in (0.0, *DOSES)}
    x = {dose: cells(rng, level, of, depth, n_cells if dose else n_control) for dose, of in changes.items()}
    true = {dose: cells(rng, level, changes[dose], depth, 5_000).mean(0) for dose in (0.0, *HELD_OUT)}
    rows = []
    for dose in HELD_OUT:
        known, asked = DOSES[dose != DOSES], np.array([dose])
        y, logs = np.stack([x[d].mean(0) - x[0.0].mean(0) for d in known]), np.log1p(known)
        variance = sum(v.var(0).sum() * len(v) for d, v in x.items() if d != dose)
        variance /= sum(len(v) - 1 for d, v in x.items() if d != dose)
        weights = {
            "straight line": dose_weights(known[:, None], asked),
            "mean of all doses": np.full(6, 1 / 6),
            "proportional": np.log1p(dose) * logs / (logs @ logs),
            "kriging": kriging_weights(known[:, None], asked, y, variance * (np.eye(6) / n_cells + 1 / n_control)),
        }
        real = true[dose] - true[0.0]
        size = np.linalg.norm(real)
        found = {way: round(float(np.linalg.norm(w @ y - real) / size), 4) for way, w in weights.items()}
        rows.append({"screen": name, "dose": dose, "seed": seed} | found)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    one_quiet_thread()
    rows = [row for name in SCREENS for seed in SEEDS for row in errors(name, seed)]
    store(args.out, rows)


if __name__ == "__main__":
    main()
