"""Time to fit a model of 2,000 perturbations and 5,000 genes, and to choose the next of 10,000 candidates.

Perturbations are genes with the sets of Gene Ontology and of Reactome and the beginning of their symbol as features. Their
effects are simulated, of ten components that follow the features::

    SCPI_TEST_DATA=... python benchmarks/design_speed.py --out benchmarks/results/design_speed.json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
from _quiet import one_quiet_thread
from _results import store

import scpi
from scpi._features import find_features
from scpi.model import PerturbationGP

SETS = {"GO": "go_bp_2021_enrichr.gmt", "Reactome": "reactome_human.gmt"}
N_GENES, N_CANDIDATES = 5_000, 10_000


def genes_of_sets() -> list[str]:
    lines = [
        line for file in SETS.values() for line in (Path(os.environ["SCPI_TEST_DATA"]) / file).read_text().splitlines()
    ]
    return sorted({gene for line in lines for gene in line.split("\t")[2:] if gene})


def timed(work: Any) -> tuple[Any, float, float]:
    start = time.perf_counter(), time.process_time()
    found = work()
    return found, round(time.perf_counter() - start[0], 2), round(time.process_time() - start[1], 2)


def of_size(n_known: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    names = rng.permutation(genes_of_sets())[: n_known + N_CANDIDATES].tolist()
    adata = ad.AnnData(
        np.zeros((n_known + 1, N_GENES), dtype=np.float32), obs={"perturbation": ["control", *names[:n_known]]}
    )
    sets = {name: Path(os.environ["SCPI_TEST_DATA"]) / file for name, file in SETS.items()}
    scpi.tl.perturbation_features(adata, gene_sets=sets, symbols=True, perturbations=names)
    table = find_features(adata, scpi._keys.Key.uns.PERTURBATION_FEATURES).of(names[:n_known])
    scores = sum(values @ rng.normal(size=(values.shape[1], 10)) for values in table.sources.values())
    adata.X[1:] = scores @ rng.normal(size=(10, N_GENES)) + rng.normal(size=(n_known, N_GENES))
    row: dict[str, Any] = {"known": n_known, "genes": N_GENES, "candidates": N_CANDIDATES}

    def fit() -> PerturbationGP:
        PerturbationGP.setup_anndata(adata)
        model = PerturbationGP(adata)
        model.train(train_size=1.0)
        return model

    model, row["fit_seconds"], row["fit_processor_seconds"] = timed(fit)
    candidates = names[n_known:]
    for criterion in ("reduction", "uncertainty"):
        for k in (1, 8):
            _, seconds, processor = timed(
                lambda k=k, criterion=criterion: scpi.design.next_perturbations(
                    model, candidates, k, criterion=criterion
                )
            )
            row |= {f"{criterion}_{k}_seconds": seconds, f"{criterion}_{k}_processor_seconds": processor}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--known", type=int, nargs="+", default=[200, 2_000])
    args = parser.parse_args()
    one_quiet_thread()
    rows = [of_size(n) for n in args.known]
    store(args.out, rows)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
