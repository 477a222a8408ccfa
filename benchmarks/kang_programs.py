"""Interferon in blood cells: Hallmark sets found by the contrast of gene-program units, for several seeds.

Blood cells of Kang et al. (2018), stimulated with interferon beta or not: 1,267 genes with the cell types and two
donors of the source (kang_muscat), and 9,015 genes without donors, with cell types predicted from the former
(kang_harmony). GeneProgramAE is trained with its defaults, with the donors as batches if available, and without access
to condition or cell type. `scpi.tl.impact_contrast` compares stimulated with control cells among monocytes and among T
cells, over all cells, within each donor, and between donors. Sets are ranked by the smallest p-value over the units
that answers both questions of the contrast, `pval_both`: against random sets of genes of similar expression, and
between the groups. The FDR is that of this unit, over all units and sets. The rank by the largest absolute z-score
against random sets, which does not test whether the groups differ in that unit, is reported as well; it was the only
one until seed 0 had been inspected. The same test of the differences of the mean logarithms of the genes, without a
model, is the comparison. One result per task; an interrupted run resumes where it stopped::

    SCPI_TEST_DATA=... python benchmarks/kang_programs.py --out benchmarks/results/kang_programs
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import Tasks, store

import scpi

DATASETS = ("kang_muscat", "kang_harmony")
SEEDS = range(5)
SETS = "hallmark_human_v7.0.gmt"
EXPECTED = ("HALLMARK_INTERFERON_ALPHA_RESPONSE", "HALLMARK_INTERFERON_GAMMA_RESPONSE")
CLASSES = {
    "CD14+ Monocytes": "monocytes",
    "FCGR3A+ Monocytes": "monocytes",
    "CD4 T cells": "T cells",
    "CD8 T cells": "T cells",
}
N_SHOWN = 5


def read(name: str) -> ad.AnnData:
    """Counts with Hallmark sets, and class, condition and donor of each cell in columns."""
    data = Path(os.environ["SCPI_TEST_DATA"])
    adata = ad.read_h5ad(data / f"{name}.h5ad")
    scpi.tl.gene_sets(adata, data / SETS)
    kind = adata.obs["cell_type" if "cell_type" in adata.obs else "cell_type_pred"].astype(str).map(CLASSES)
    adata.obs["state"] = kind.str.cat(adata.obs["condition"].astype(str), sep=": ")
    if "donor" in adata.obs:
        adata.obs["donor_state"] = adata.obs["state"].str.cat(adata.obs["donor"].astype(str), sep=", donor ")
    return adata


def contrasts(adata: ad.AnnData):
    """Class, scope, column and groups of every contrast, and the column of the donors for contrasts between them."""
    for kind in ("monocytes", "T cells"):
        groups = (f"{kind}: stim", f"{kind}: ctrl")
        yield kind, "all cells", "state", groups, None
        if "donor" not in adata.obs:
            continue
        yield kind, "between donors", "state", groups, "donor"
        for donor in adata.obs["donor"].astype(str).unique():
            yield kind, f"donor {donor}", "donor_state", tuple(f"{one}, donor {donor}" for one in groups), None


def ranked(result: dict, n_first: int) -> dict:
    """Rank, unit and p-values of the expected sets and of the first sets, each at the unit of its smallest p-value."""
    z, by = np.asarray(result["zscore"]), "pval_both" if "pval_both" in result else "pval"
    best, columns = np.asarray(result[by]).argmin(axis=0), np.arange(z.shape[1])
    table = pd.DataFrame({"unit": np.asarray(result["units"])[best], "z": z[best, columns]}, index=result["sets"])
    known = {"pval": by, "fdr": f"{by}_adj", "pval_permuted": "pval_permuted"}
    for column, key in known.items():
        if key in result:
            table[column] = np.asarray(result[key])[best, columns]
    table["rank"] = table["pval"].rank(method="min").astype(int)
    table["rank_by_z"] = pd.Series(-np.abs(z).max(axis=0), table.index).rank(method="min").astype(int)
    table = table.sort_values("rank").rename_axis("set").reset_index()
    return {
        "n_sets": len(table),
        "n_significant": int((np.asarray(result[f"{by}_adj"]) < 0.01).any(axis=0).sum()),
        "first": table.head(n_first).to_dict("records"),
        "expected": table[table["set"].isin(EXPECTED)].to_dict("records"),
    }


def most_changed(adata: ad.AnnData, units: np.ndarray, names: list[str], column: str, groups, result: dict) -> dict:
    """Unit whose activity differs most, in standard deviations, and the first sets of its contrast."""
    first, second = (units[(adata.obs[column] == group).to_numpy()] for group in groups)
    spread = np.sqrt((first.var(axis=0) + second.var(axis=0)) / 2)
    effect = np.where(spread > 0, (first.mean(axis=0) - second.mean(axis=0)) / np.where(spread > 0, spread, 1.0), 0.0)
    unit = int(np.abs(effect).argmax())
    order = np.argsort(-np.abs(result["zscore"][unit]))[:3]
    return {"unit": names[unit], "effect": float(effect[unit]), "sets": [str(result["sets"][i]) for i in order]}


def without_model(adata: ad.AnnData, column: str, groups) -> dict:
    """The same test of sets for the differences of the mean logarithms of the genes."""
    cells = adata[adata.obs[column].isin(groups)].copy()
    counts = cells.X.toarray()
    totals = counts.sum(axis=1, keepdims=True)
    logged = np.log1p(counts / totals * np.median(totals))
    first, second = (logged[(cells.obs[column] == group).to_numpy()].mean(axis=0) for group in groups)
    cells.varm["change"] = pd.DataFrame({"change": first - second}, index=cells.var_names)
    scpi.tl.gene_set_impact(cells, key="change")
    return ranked(cells.uns["gene_set_impact"], N_SHOWN)


def run(name: str, seed: int) -> dict:
    adata = read(name)
    start = time.perf_counter()
    scpi.model.GeneProgramAE.setup_anndata(adata, batch_key="donor" if "donor" in adata.obs else None)
    model = scpi.model.GeneProgramAE(adata, seed=seed)
    model.train(accelerator="cpu", enable_progress_bar=False)
    seconds = time.perf_counter() - start
    units, names, statistics = model.get_latent_representation(), model.units_, model.unit_statistics()
    found = []
    for kind, scope, column, groups, donor_key in contrasts(adata):
        begun = time.perf_counter()
        scpi.tl.impact_contrast(
            adata, model, column, target=groups[0], reference=groups[1], donor_key=donor_key, n_bootstrap=0
        )
        result = adata.uns["impact_contrast"]
        found.append(
            {"cells": kind, "scope": scope, "seconds": round(time.perf_counter() - begun, 1)}
            | ranked(result, N_SHOWN)
            | {"most_changed": most_changed(adata, units, names, column, groups, result)}
        )
    return {
        "dataset": name,
        "seed": seed,
        "seconds": round(seconds, 1),
        "vanished": int(statistics["vanished"].sum()),
        "n_units": len(names),
        "contrasts": found,
    }


def plain(name: str) -> list[dict]:
    adata = read(name)
    return [
        {"dataset": name, "cells": kind, "scope": scope} | without_model(adata, column, groups)
        for kind, scope, column, groups, donor_key in contrasts(adata)
        if donor_key is None
    ]


def summary(tasks: list[dict]) -> list[dict]:
    """Over the seeds: worst rank and largest p-values of each expected set, and how often both are the first two."""
    rows = pd.DataFrame(
        {"dataset": task["dataset"], "seed": task["seed"]}
        | {key: contrast[key] for key in ("cells", "scope", "n_sets", "n_significant")}
        | found
        for task in tasks
        for contrast in task["contrasts"]
        for found in contrast["expected"]
    )
    result = []
    for place, group in rows.groupby(["dataset", "cells", "scope"], sort=False):
        both = group.groupby("seed")["rank"].max() <= len(EXPECTED)
        row = dict(zip(("dataset", "cells", "scope"), place, strict=True))
        row |= {"seeds": int(group["seed"].nunique()), "first_two": int(both.sum())}
        row |= {"n_sets": int(group["n_sets"].iloc[0]), "significant": float(group["n_significant"].mean())}
        for name, of_set in group.groupby("set"):
            short = str(name).removeprefix("HALLMARK_INTERFERON_").removesuffix("_RESPONSE").lower()
            row[short] = {
                "median_rank": float(of_set["rank"].median()),
                "worst_rank": int(of_set["rank"].max()),
                "worst_rank_by_z": int(of_set["rank_by_z"].max()),
                "median_z": round(float(of_set["z"].abs().median()), 2),
                "positive": int((of_set["z"] > 0).sum()),
                "largest_fdr": float(of_set["fdr"].max()),
            }
        result.append(row)
    return result


def collect(out: Path) -> None:
    done = Tasks(out)
    tasks = [result for name, result in done.items() if name.startswith("kang_")]
    without = [row for name, rows in done.items() if name.startswith("plain_") for row in rows]
    result = {"summary": summary(tasks), "without_model": without, "tasks": tasks}
    store(out, result)
    for row in result["summary"]:
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    args = parser.parse_args()
    tasks = Tasks(args.out)
    one_quiet_thread()
    for name in args.datasets:
        if f"plain_{name}" not in tasks:
            tasks.add(f"plain_{name}", plain(name))
        for seed in args.seeds:
            task = f"{name}_s{seed}"
            if task not in tasks:
                tasks.add(task, run(name, seed))
                print(task, flush=True)
    collect(args.out)


if __name__ == "__main__":
    main()
