"""How many perturbations have to be measured until those that are not are predicted well: chosen by a criterion, or at random.

Norman et al. (2019): 104 single perturbations, of which 30 random ones are never measured and are predicted. A
:class:`scpi.model.PerturbationGP` is trained on 16 random others, and five times on 8 more, which
:func:`scpi.design.next_perturbations` chooses from the rest by its predictions so far. Each seed is kept in a folder, so that the
script goes on where it was stopped::

    SCPI_TEST_DATA=... python benchmarks/next_perturbations.py --out benchmarks/results/next_perturbations.json

- error: squared error of the 30, relative to that before the first round, without the genes that are perturbed in any condition.
- reduction of the 30: with the 30 as targets; else all that are not measured, of which they are a part, count.
- random: mean of four orders.
- within_total, within_added: seeds in which the error is at most that of random ones after five rounds (56 perturbations, of which 40 were
  added) with at most 60 % of all perturbations (32, two rounds), or of those that were added (24, three rounds).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _quiet import one_quiet_thread
from _results import Tasks, store
from unseen_perturbations import FULL, read

from scpi.design import next_perturbations
from scpi.model import PerturbationGP

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

N_TEST, N_START, N_ROUND, N_ROUNDS, N_RANDOM = 30, 16, 8, 5, 4
CRITERIA = ("reduction", "reduction of the 30", "information", "uncertainty", "effect", "diversity")


def errors(adata: AnnData, test: list[str], known: list[str], criterion: str, seed: int) -> list[float]:
    """Squared error of the test perturbations before the first round and after each."""
    labels, real = adata.obs["perturbation"], adata.to_df()
    scored = ~adata.var_names.isin("+".join(labels).split("+"))
    rows = {label: row for row, label in enumerate(labels)}
    found: list[float] = []
    while True:
        train = np.array([rows[label] for label in ["control", *known]])
        model = PerturbationGP(adata)
        model.train(datasplitter_kwargs={"external_indexing": [train, train[:0], np.array([rows[t] for t in test])]})
        predicted = np.asarray(model.predict(perturbation=test, n_cells=1, output="mean").X)[:, scored]
        error = np.square(predicted - real.iloc[[rows[label] for label in test], scored])
        found.append(float(error.to_numpy().sum()))
        if len(found) > N_ROUNDS:
            return found
        pool = [name for name in rows if "+" not in name and name != "control" and name not in {*test, *known}]
        targets = test if criterion.endswith("of the 30") else None
        chosen = next_perturbations(model, pool, N_ROUND, criterion=criterion.split()[0], targets=targets, rng=seed)
        known = [*known, *chosen["perturbation"]]


def of_seed(adata: AnnData, seed: int, found: dict[str, list[float]]) -> dict[str, list[float]]:
    """Relative errors by criterion, of those that are not yet known."""
    names = [name for name in adata.obs["perturbation"] if "+" not in name and name != "control"]
    order = np.random.default_rng(seed).permutation(names).tolist()
    test, start = order[:N_TEST], order[N_TEST : N_TEST + N_START]
    for name in {"random", *CRITERIA} - found.keys():
        seeds = [100 * seed + i for i in range(N_RANDOM)] if name == "random" else [seed]
        values = np.mean([errors(adata, test, start, name, one) for one in seeds], axis=0)
        found[name] = (values / values[0]).round(5).tolist()
    return found


def within(curves: NDArray[np.float64], goal: NDArray[np.float64], n_rounds: int) -> int:
    return int((curves[:, 1 : n_rounds + 1].min(axis=1) <= goal).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(20)))
    args = parser.parse_args()
    one_quiet_thread()
    adata = read("norman2019")
    PerturbationGP.setup_anndata(adata, features_key=FULL)
    tasks, done = Tasks(args.out), []
    for seed in args.seeds:
        done.append(of_seed(adata, seed, tasks.get(str(seed)) or {}))
        if tasks.get(str(seed)) != done[-1]:
            tasks.add(str(seed), done[-1])
        result = {"seeds": len(done), "rows": []}
        goal = np.array([one["random"][-1] for one in done])
        for name in ("random", *CRITERIA):
            curves = np.array([one[name] for one in done])
            row = {"criterion": name, "error": curves.mean(axis=0).round(4).tolist()}
            row |= {"within_total": within(curves, goal, 2), "within_added": within(curves, goal, 3)}
            difference = curves[:, 1:].mean(axis=1) - np.array([one["random"][1:] for one in done]).mean(axis=1)
            row |= {"less_than_random": round(difference.mean(), 4)}
            row |= {"standard_error": round(difference.std(ddof=1) / len(done) ** 0.5, 4) if len(done) > 1 else None}
            result["rows"].append(row)
        store(args.out, result)
        print(seed, [(row["criterion"], row["error"]) for row in result["rows"]], flush=True)


if __name__ == "__main__":
    main()
