"""Tests of generated cells under a compound that does nothing.

Cells of the vehicle of five donors, of which a random half of each donor is called those of a compound; an NB-VAE that is
conditioned on donor and compound. Cells are generated for each donor and compound, a tenth as many as were measured or as
many, and tested by limma: in single draws, pooled over five draws, and with the expectations of cells, as published. The
fraction of p-values below 0.05 should be 0.05; "uniform" is the fraction of Kolmogorov-Smirnov tests above 0.01::

    python benchmarks/null_compound.py --out benchmarks/results/null_compound.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import store
from scipy import sparse, stats

import scpi

DONORS, GENES, CELLS, DRAWS = 5, 200, 400, 5


def vehicle(rng: np.random.Generator) -> ad.AnnData:
    base, donors = rng.gamma(1.0, 2.0, GENES) + 0.3, rng.lognormal(0.0, 0.25, (DONORS, GENES))
    donor = np.repeat(np.arange(DONORS), 2 * CELLS)
    mean = base * donors[donor] * rng.lognormal(0.0, 0.3, (len(donor), 1))
    counts = rng.poisson(rng.gamma(4.0, mean / 4.0)).astype(np.float32)
    compound = np.concatenate([rng.permutation(np.repeat(["vehicle", "null"], CELLS)) for _ in range(DONORS)])
    obs = pd.DataFrame({"donor": [f"d{i}" for i in donor], "compound": compound}, index=map(str, range(len(donor))))
    return ad.AnnData(sparse.csr_matrix(counts), obs=obs)


def tested(samples: ad.AnnData) -> ad.AnnData:
    scpi.de.limma(samples, "compound", reference="vehicle", covariates="donor")
    return samples


def sums(cells: ad.AnnData) -> ad.AnnData:
    """Rounded sums of expectations, which are not counts."""
    rows = cells.obs.assign(row=np.arange(cells.n_obs)).groupby(["donor", "compound"], observed=True)["row"]
    obs = pd.DataFrame([key for key, _ in rows], columns=["donor", "compound"]).set_index(
        pd.Index(map(str, range(len(rows))))
    )
    return ad.AnnData(np.stack([np.rint(cells.X[places.to_numpy()].sum(0)) for _, places in rows]), obs=obs)


def run(seed: int) -> list[dict]:
    adata = vehicle(np.random.default_rng(seed))
    scpi.model.NBVAE.setup_anndata(adata, categorical_covariate_keys=["donor", "compound"])
    model = scpi.model.NBVAE(adata, seed=seed)
    model.train(enable_progress_bar=False, accelerator="cpu")
    by = {"sample_key": "donor", "groupby": "compound"}
    found = [("measured", 1.0, tested(scpi.de.pseudobulk(adata, **by)))]
    for part in (0.1, 1.0):
        rows = [(f"d{i}", name, int(part * CELLS)) for i in range(DONORS) for name in ("vehicle", "null")]
        plan = pd.DataFrame(rows, columns=["donor", "compound", "n_cells"])
        draws = [tested(scpi.de.pseudobulk(model.generate(plan, rng=draw), **by)) for draw in range(DRAWS)]
        found += [("draw", part, draw) for draw in draws]
        found += [
            (f"pooled, as {sets}", part, scpi.de.pool_limma(draws, sets=sets)) for sets in ("generated", "imputed")
        ]
        found.append(("expectations", part, tested(sums(model.generate(plan, output="mean")))))
    result = []
    for kind, part, samples in found:
        p = samples.uns["limma"]["pvals"]["null"]
        uniform = float(stats.kstest(p[np.isfinite(p)], "uniform").pvalue > 0.01)
        result.append(
            {"cells": kind, "of measured": part, "seed": seed, "below .05": np.mean(p < 0.05), "uniform": uniform}
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 20))
    args = parser.parse_args()
    one_quiet_thread()
    rows = pd.DataFrame([row for seed in range(*args.seeds) for row in run(seed)])
    print(rows.groupby(["cells", "of measured"])[["below .05", "uniform"]].mean().round(4).to_string())
    store(args.out, {"rows": rows.round(4).to_dict("records")})


if __name__ == "__main__":
    main()
