"""How many leading genes a set must be tested among before it names a unit: simulated cells, whose programs are known.

Cells have six types, a response to a stimulus in all types, and four activities (:func:`scpi.datasets.cell_type_programs`).
Half of the types and all other programs have a gene set, 40 to 80 % of whose genes are theirs. Forty other sets have up to
20 % of the genes of some program, as a set of inflammation has some genes of monocytes. Every unit of GeneProgramAE is
named with another number of leading genes, or by the impact alone. A name is right if it is the set of a program that the
unit raises: cosine of the effects that it raises with the weights at least 0.3, and half of that of the best program.
``n_leading`` of :func:`scpi.tl.annotate_units` was chosen on the first seeds; the others came afterwards. One result per
task; an interrupted run resumes where it stopped::

    python benchmarks/unit_name_rules.py --out benchmarks/results/unit_name_rules
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import Tasks, store

import scpi

DEVELOPMENT, LATER = range(6), range(6, 12)
N_CELLS, N_GENES, N_TYPES, N_MEMBERS, N_OTHERS = 1500, 2000, 6, 60, 40
WITHOUT_SET = ("Type4", "Type5", "Type6")
RIGHT_FRACTIONS, OTHER_FRACTIONS, OTHER_SIZES = (0.4, 0.6, 0.8), (0.0, 0.08, 0.12, 0.16, 0.2), (20, 40, 80, 150, 200)
N_LEADING = (None, 10, 15, 20, 30, 50, 100)
LEAST_COSINE, OF_BEST = 0.3, 0.5


def mixed(members: np.ndarray, size: int, fraction: float, rng) -> np.ndarray:
    """A set of that size with a fraction of members of a program."""
    own = rng.choice(members, min(round(fraction * size), len(members)), replace=False)
    others = rng.choice(np.setdiff1d(np.arange(N_GENES), members), size - len(own), replace=False)
    return np.isin(np.arange(N_GENES), np.concatenate([own, others]))


def simulate(seed: int):
    adata = scpi.datasets.cell_type_programs(
        N_CELLS, N_GENES, N_TYPES, n_activities=4, n_genes_per_program=N_MEMBERS, rng=seed
    )
    rng, weights = np.random.default_rng(seed + 100), adata.varm["programs"]
    members = {name: np.flatnonzero(column) for name, column in weights.items()}
    sets = {
        name: mixed(genes, N_MEMBERS, rng.choice(RIGHT_FRACTIONS), rng)
        for name, genes in members.items()
        if name not in WITHOUT_SET
    }
    for i in range(N_OTHERS):
        genes = members[rng.choice(list(members))]
        sets[f"other {i}"] = mixed(genes, int(rng.choice(OTHER_SIZES)), rng.choice(OTHER_FRACTIONS), rng)
    adata.varm["gene_sets"] = pd.DataFrame(sets, index=adata.var_names)
    return adata


def run(seed: int) -> list[dict]:
    adata = simulate(seed)
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, seed=seed)
    model.train(accelerator="cpu", enable_progress_bar=False)
    scpi.tl.saliency(adata, model)
    scpi.tl.gene_set_impact(adata)
    weights, raised = adata.varm["programs"], np.maximum(adata.varm["saliency"].to_numpy(), 0.0)
    lengths = np.outer(np.linalg.norm(raised, axis=0), np.linalg.norm(weights, axis=0))
    cosine = raised.T @ weights.to_numpy() / np.maximum(lengths, 1e-12)
    best = cosine.max(axis=1, keepdims=True)
    contained = (cosine >= np.maximum(LEAST_COSINE, OF_BEST * best)) & (best > 0)
    programs = [{name for name, has in zip(weights, row, strict=True) if has} for row in contained]
    with_set = [bool(names & set(adata.varm["gene_sets"])) for names in programs]
    rows = []
    for n_leading in N_LEADING:
        scpi.tl.annotate_units(adata, n_leading=n_leading)
        frame = scpi.get.unit_annotation(adata)
        named, lowered = (frame["set"] != "").to_numpy(), (frame["zscore"] < 0).to_numpy()
        right = np.array([name in names for name, names in zip(frame["set"], programs, strict=True)])
        counts = {
            "right": named & ~lowered & right,
            "wrong": named & ~lowered & ~right,
            "lowered": named & lowered,
            "missed": ~named & with_set,
            "no set": ~named & ~np.array(with_set),
        }
        rows.append({"n_leading": n_leading} | {name: int(found.sum()) for name, found in counts.items()})
    return rows


def collect(out: Path) -> None:
    tasks, summary = Tasks(out), []
    for part, seeds in {"development": DEVELOPMENT, "later": LATER}.items():
        found = [tasks[f"s{seed}"] for seed in seeds if f"s{seed}" in tasks]
        for rows in zip(*found, strict=True):
            sums = {name: sum(row[name] for row in rows) for name in rows[0] if name != "n_leading"}
            summary.append({"seeds": part, "n_seeds": len(found), "n_leading": rows[0]["n_leading"]} | sums)
    store(out, {"summary": summary})
    print(pd.DataFrame(summary).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    tasks = Tasks(args.out)
    one_quiet_thread()
    for seed in (*DEVELOPMENT, *LATER):
        if f"s{seed}" not in tasks:
            tasks.add(f"s{seed}", run(seed))
    collect(args.out)


if __name__ == "__main__":
    main()
