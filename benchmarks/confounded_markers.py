"""Accuracy of the decoder where groups and batches go together, with and without the batch as covariate.

Two groups and two batches of :func:`scpi.datasets.splat`, 600 cells: nine of ten cells of a batch are of one group, or half of them.
Accuracy is the fraction of the 30 genes of largest true fold change over the rest that are among the first 30 by absolute score. One
data set per seed::

    python benchmarks/confounded_markers.py --out benchmarks/results/confounded_markers
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats

import scpi
from scpi._ranking import read_ranking

if TYPE_CHECKING:
    import anndata as ad

SEEDS, N_CELLS, TOP = range(10), 600, 30
WAYS = {"balanced": (0.5, False), "confounded": (0.9, False), "confounded, adjusted": (0.9, True)}
KEY = "rank_genes_gradients"


def draw(adata: ad.AnnData, together: float, rng: np.random.Generator) -> ad.AnnData:
    """Cells of which this fraction has the group that its batch is confounded with."""
    same = (adata.obs["group"].cat.codes == adata.obs["batch"].cat.codes).to_numpy()
    sizes = {True: int(together * N_CELLS / 2), False: int((1 - together) * N_CELLS / 2)}
    groups = adata.obs["group"].cat.codes.to_numpy()
    rows = [
        rng.permutation(np.flatnonzero((same == kind) & (groups == group)))[: sizes[kind]]
        for kind in sizes
        for group in (0, 1)
    ]
    return adata[np.sort(np.concatenate(rows))].copy()


def run(seed: int) -> dict[str, float]:
    adata = scpi.datasets.splat(
        2000, n_genes=1500, de_fac_scale=0.4, batch_prob=(0.5, 0.5), batch_fac_scale=0.3, lib_loc=9.0, rng=700 + seed
    )
    factor = np.log(adata.varm["de_factor"].to_numpy().T)
    truth = factor - factor[::-1]
    found = {}
    for way, (together, adjusted) in WAYS.items():
        cells = draw(adata, together, np.random.default_rng(seed))
        scpi.tl.rank_genes_gradients(cells, "group", test=None, covariates="batch" if adjusted else ())
        scores = read_ranking(cells, KEY).scores
        found[way] = float(np.mean(scpi.metrics.top_k_overlap(truth, scores, k=TOP)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    for seed in SEEDS:
        if f"s{seed}" not in tasks:
            tasks.add(f"s{seed}", run(seed))
    table = pd.DataFrame(list(tasks.values()))
    table["lost"] = table["balanced"] - table["confounded"]
    table["lost, adjusted"] = table["balanced"] - table["confounded, adjusted"]
    half = stats.t.ppf(0.975, len(table) - 1) * table.sem()
    regained = 1.0 - table["lost, adjusted"].mean() / table["lost"].mean()
    summary = [{"way": name, "accuracy": table[name].mean(), "half_interval": half[name]} for name in table]
    store(args.out, {"summary": summary, "regained": regained, "data_sets": len(table)})
    print(pd.DataFrame(summary).to_string(), regained)


if __name__ == "__main__":
    main()
