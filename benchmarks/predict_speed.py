"""Time of `predict`: 1,000 cells x 5,000 genes, by model and scale of the output.

Random sparse cells with 8 % of entries present, as in `memory.py`; 4,000 of them train each model for one epoch. The
least of three calls on one thread::

    python benchmarks/predict_speed.py --out benchmarks/results/predict_speed.json
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from _prediction import QUIET
from _quiet import one_quiet_thread
from _results import store
from memory import cells

import scpi

N_CELLS, N_TRAIN = 1_000, 8_000
MODELS = {
    "RidgeDelta": {},
    "MultiTaskAE": {},
    "MultiTaskAE, counts": {"likelihood": "nb"},
    "SENAVAE": {},
    "SENAVAE, counts": {"likelihood": "nb"},
    "SCGEN": {},
    "SCVIDR": {},
    "SCButterfly": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    one_quiet_thread()
    # The layer holds counts, and X their logarithm
    adata = cells(N_TRAIN, logs=False)
    adata.X = adata.X.copy()
    np.log1p(adata.X.data, out=adata.X.data)
    found: dict[str, dict[str, float]] = {}
    for name, options in MODELS.items():
        cls = getattr(scpi.model, name.partition(",")[0])
        of_counts = {"layer": "counts"} if "counts" in name else {"counts_layer": "counts"}
        cls.setup_anndata(adata, context_key="cell_type", **of_counts)
        model = cls(adata, **options)
        model.train(max_epochs=1, **QUIET)
        found[name] = {}
        for output in ("counts", "log", "mean"):
            seconds = []
            for _ in range(3):
                start = time.perf_counter()
                predicted = model.predict(perturbation="A", context="T", n_cells=N_CELLS, output=output)
                seconds.append(time.perf_counter() - start)
            assert predicted.shape == (N_CELLS, adata.n_vars)
            found[name][output] = round(min(seconds), 3)
        print(name, found[name], flush=True)
    store(args.out, {"n_cells": N_CELLS, "n_genes": adata.n_vars, "seconds": found})


if __name__ == "__main__":
    main()
