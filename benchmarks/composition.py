"""Numbers of cells of groups that were left out: regression of counts and random forests, on the design of OP3.

Groups are a cell type under a compound on a plate, from simulated cells (``scpi.datasets.op3_like``). A fifth of the groups is
left out at random, or all groups of the conditions of the private test set. Reported are the mean Poisson deviance of the
expected numbers, how often the 90 % interval of the draws has the real number, and the p-value of the hypothesis that the
places of the real numbers among the draws are uniform::

    SCPI_TEST_DATA=... python benchmarks/composition.py --out benchmarks/results/composition.json
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from _prediction import records
from _quiet import one_quiet_thread
from _results import store
from scipy import special, stats

import scpi

if TYPE_CHECKING:
    from anndata import AnnData

KEYS = ["cell_type", "sm_name", "plate_name"]
N_DRAWS = 500
# Of the 1,000 of the default, which take twenty times as long
N_TREES = 50


def left_out(cells: AnnData, seed: int) -> dict[str, Any]:
    """Cells of the groups that are left out, by the way of leaving them out."""
    group = cells.obs.groupby(KEYS, observed=True).ngroup().to_numpy()
    chosen = np.random.default_rng(seed).random(group.max() + 1) < 0.2
    conditions = cells.uns["truth"]["conditions"]
    private = set(conditions.index[conditions["split"] == "private_test"])
    names = cells.obs["cell_type"].astype(str) + ", " + cells.obs["sm_name"].astype(str)
    return {"random": chosen[group], "OP3": names.isin(private).to_numpy()}


def score(cells: AnnData, out: Any, method: str, seed: int) -> dict[str, float]:
    start = time.process_time()
    model = scpi.model.CompositionModel(cells, method=method, n_trees=N_TREES, seed=seed)
    model.train(indices=~out)
    plan = cells.obs[out].groupby(KEYS, observed=True).size().rename("real").reset_index()
    drawn = model.sample(plan, n_draws=N_DRAWS, rng=seed)["n_cells"].to_numpy().reshape(N_DRAWS, -1)
    real, expected = plan["real"].to_numpy(), drawn.mean(0)
    equal = np.random.default_rng(seed).random(len(real)) * (drawn == real).mean(0)
    place = (drawn < real).mean(0) + equal
    return {
        "deviance": float(2 * (special.xlogy(real, real / expected) - (real - expected)).mean()),
        "coverage": float(((place > 0.05) & (place < 0.95)).mean()),
        "uniform_pval": float(stats.kstest(place, "uniform").pvalue),
        "seconds": time.process_time() - start,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    one_quiet_thread()
    design = pd.read_csv(Path(os.environ["SCPI_TEST_DATA"]) / "op3_design_553conditions.csv")
    rows = []
    for seed in args.seeds:
        cells = scpi.datasets.op3_like(design, n_genes=20, rng=seed)
        scpi.model.CompositionModel.setup_anndata(cells, categorical_covariate_keys=KEYS)
        for division, out in left_out(cells, seed).items():
            for method in ("glm", "forest"):
                rows.append({"division": division, "method": method, "seed": seed} | score(cells, out, method, seed))
                print(rows[-1], flush=True)
    store(args.out, records(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
