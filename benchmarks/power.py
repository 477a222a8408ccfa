"""Whether the power that is predicted from a pilot is that of the experiments that were made.

A third of the cells of each perturbation (Kang: half of those of each cell type, donor and condition) is the pilot, from which
:func:`scpi.design.power` predicts how many genes are found with so many cells. Experiments of this size are drawn from the other
cells without replacement. Papalexi et al. (2021): 24 knock-outs, Wilcoxon, 500 controls. Kang et al. (2018): five cell types, two donors,
limma with the donor as a covariate, as many controls as stimulated cells::

    SCPI_TEST_DATA=... python benchmarks/power.py --out benchmarks/results/power.json

- predicted, realised: genes that are found, as a fraction of those that are found with all of the other cells, sums over groups.
- detected, really_detected: fraction of the groups in which any gene is found.
- difference: mean over seeds, each of which divides the cells anew; largest: of any seed.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import Tasks, store

import scpi
from scpi.design import power

if TYPE_CHECKING:
    from collections.abc import Iterator

ALPHA, MIN_MEAN, N_DRAWN = 0.05, 0.1, 10


def found(cells: ad.AnnData, genes: np.ndarray, groupby: str, reference: str, test: str, **options: Any) -> pd.Series:
    """Number of genes that a test finds, by group."""
    if test == "limma":
        scpi.de.limma(cells, groupby, reference=reference, min_cells=1, key_added="test", **options)
    else:
        scpi.de.rank_genes(cells, groupby, reference=reference, method=test, key_added="test")
    table = scpi.get.de_df(cells, key="test")
    called = table[(table["pval_adj"] <= ALPHA) & table["gene"].isin(genes)]
    return called["group"].value_counts()


def drawn(cells: ad.AnnData, strata: list[str], n: dict[str, int], rng: np.random.Generator) -> ad.AnnData:
    """So many cells of each stratum, by the first of its columns."""
    rows = [
        rng.choice(where, n[key if isinstance(key, str) else key[0]], replace=False)
        for key, where in cells.obs.groupby(strata, observed=True).indices.items()
    ]
    return cells[np.sort(np.concatenate(rows))].copy()


def screens() -> Iterator[tuple[str, ad.AnnData, dict[str, Any]]]:
    """Name, cells and settings: how they are tested, divided and drawn."""
    folder = Path(os.environ["SCPI_TEST_DATA"])
    cells = ad.read_h5ad(folder / "papalexi2021_eccite_299genes.h5ad")
    settings = {"groupby": "perturbation", "reference": "non-targeting", "strata": ["perturbation"], "part": 1 / 3}
    yield (
        "papalexi2021",
        cells,
        settings | {"n_controls": 500, "n_cells": [25, 50, 100, 200], "test": {"test": "wilcoxon"}},
    )
    cells = ad.read_h5ad(folder / "kang_muscat.h5ad")
    test = {"test": "limma", "sample_key": "donor", "covariates": "donor"}
    for cell_type in cells.obs["cell_type"].unique():
        settings = {"groupby": "condition", "reference": "ctrl", "strata": ["condition", "donor"], "part": 1 / 2}
        own = cells[cells.obs["cell_type"] == cell_type].copy()
        yield "kang2018", own, settings | {"n_controls": None, "n_cells": [6, 12, 24], "test": test}


def rows_of(name: str, cells: ad.AnnData, settings: dict[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    groupby, reference, strata, test = (settings[key] for key in ("groupby", "reference", "strata", "test"))
    sizes = cells.obs.groupby(strata, observed=True)[groupby].transform("size").to_numpy()
    cells = cells[sizes >= 60 if name == "papalexi2021" else sizes > 0].copy()
    rank = pd.Series(rng.random(cells.n_obs), cells.obs_names).groupby(
        [cells.obs[key] for key in strata], observed=True
    )
    in_pilot = (rank.rank(pct=True) <= settings["part"]).to_numpy()
    pilot, rest = cells[in_pilot].copy(), cells[~in_pilot].copy()
    genes = pilot[pilot.obs[groupby] == reference].X.mean(axis=0).A1 >= MIN_MEAN
    genes = pilot.var_names[genes]
    options = {key: value for key, value in test.items() if key in ("sample_key", "covariates")}
    full = found(rest.copy(), genes, groupby, reference, test["test"], **options)
    left = rest.obs.groupby(strata, observed=True).size().groupby(level=0).min()
    for n in settings["n_cells"]:
        groups = [group for group in full.index if left[group] >= n]
        n_controls = settings["n_controls"] or n
        if not groups or left[reference] < n_controls:
            continue
        predicted = power(
            pilot, groupby, reference=reference, groups=groups, n_cells=n, n_controls=n_controls, min_mean=MIN_MEAN,
            n_replicates=2 if name == "kang2018" else 1, n_simulations=N_DRAWN, rng=seed, progress=False, **test,
        )  # fmt: skip
        some = rest[rest.obs[groupby].isin([*groups, reference])]
        counts = dict.fromkeys(groups, n) | {reference: n_controls}
        real = [
            found(drawn(some, strata, counts, rng), genes, groupby, reference, test["test"], **options)
            for _ in range(N_DRAWN)
        ]
        for group, row in predicted.set_index("perturbation").iterrows():
            of_group = np.array([one[group] for one in real])
            entry = {"data": name, "group": group, "seed": seed, "n_cells": n, "full": int(full[group])}
            yield entry | {
                "predicted": float(row["n_found"]),
                "realised": float(of_group.mean()),
                "detected": float(row["detected"]),
                "really": float((of_group > 0).mean()),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    one_quiet_thread()
    scpi.settings.verbosity = "warning"
    tasks = Tasks(args.out)
    for seed in args.seeds:
        if str(seed) not in tasks:
            tasks.add(str(seed), [row for screen in screens() for row in rows_of(*screen, seed)])
    rows = [row for seed in args.seeds for row in tasks[str(seed)]]
    table = pd.DataFrame(rows)
    sums = table.groupby(["data", "n_cells", "seed"])[["predicted", "realised", "full", "detected", "really"]].agg(
        "sum"
    )
    sums["n"] = table.groupby(["data", "n_cells", "seed"]).size()
    parts = pd.DataFrame({
        "predicted": sums["predicted"] / sums["full"], "realised": sums["realised"] / sums["full"],
        "detected": sums["detected"] / sums["n"], "really_detected": sums["really"] / sums["n"],
    })  # fmt: skip
    parts["difference"] = parts["predicted"] - parts["realised"]
    summary = parts.groupby(level=[0, 1]).mean()
    summary["largest"] = parts["difference"].abs().groupby(level=[0, 1]).max()
    print(summary.to_string())
    store(args.out, summary.round(4).reset_index().to_dict(orient="records"))


if __name__ == "__main__":
    main()
