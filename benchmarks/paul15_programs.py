"""Units of mouse blood progenitors against cell types, and the gene set of the unit that marks the erythroid branch.

Progenitors of Paul et al. (2015), 2,730 cells x 3,451 genes, with the ten lineages and nineteen clusters of the source.
Units of GeneProgramAE with its defaults, and of PCA, ICA, NMF and SCVI with as many units, are compared with these
labels by scaled mutual information: LMS (one unit for each label), MSAS (the best unit for each label) and MSGS (its
lead over the next one). For GeneProgramAE and the factorisations, `tl.gene_set_impact` and `tl.annotate_units`, by the impact alone, name the
units by mouse Hallmark sets, from their effects on genes; the erythroid unit is the one that is most informative about
the erythroid label. `tl.impact_contrast` compares erythroid cells with the rest. Nothing was chosen on these data. One
result per task; an interrupted run resumes where it stopped::

    SCPI_TEST_DATA=... python benchmarks/paul15_programs.py --out benchmarks/results/paul15_programs
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scvi
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats
from sklearn.decomposition import NMF, PCA, FastICA

import scpi

SEEDS = range(5)
SETS = "hallmark_mouse.gmt"
EXPECTED = "HALLMARK_HEME_METABOLISM"
BRANCH = "Ery"
LABELS = ("cell_type", "paul15_clusters")
OWN = "GeneProgramAE"
N_SHOWN = 5


def read() -> ad.AnnData:
    data = Path(os.environ["SCPI_TEST_DATA"])
    adata = ad.read_h5ad(data / "paul15.h5ad")
    scpi.tl.gene_sets(adata, data / SETS)
    adata.obs["branch"] = np.where(adata.obs["cell_type"] == BRANCH, "erythroid", "other")
    return adata


def logged(adata: ad.AnnData) -> np.ndarray:
    counts = adata.X.toarray()
    totals = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / totals * np.median(totals))


def of_own(adata: ad.AnnData, n_units: int | None, seed: int, **options):
    """Units, their effects on genes, and the model."""
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, n_units=n_units, seed=seed, **options)
    model.train(accelerator="cpu", enable_progress_bar=False)
    return model.get_latent_representation(), model.get_loadings().to_numpy(), model


def of_scvi(adata: ad.AnnData, n_units: int, seed: int):
    scvi.settings.seed = seed
    scvi.model.SCVI.setup_anndata(adata)
    model = scvi.model.SCVI(adata, n_latent=n_units)
    model.train(accelerator="cpu", enable_progress_bar=False, early_stopping=True)
    return model.get_latent_representation(), None, model


def factorised(adata: ad.AnnData, n_units: int, seed: int, *, kind: str):
    y = logged(adata)
    if kind == "NMF":
        model = NMF(n_units, init="nndsvdar", max_iter=400, random_state=seed)
    elif kind == "ICA":
        model = FastICA(n_units, whiten="unit-variance", max_iter=500, random_state=seed)
    else:
        model = PCA(n_units, svd_solver="randomized", random_state=seed)
    units = model.fit_transform(y)
    return units, model.mixing_ if kind == "ICA" else model.components_.T, None


METHODS = {
    OWN: of_own,
    "PCA": lambda *given: factorised(*given, kind="PCA"),
    "ICA": lambda *given: factorised(*given, kind="ICA"),
    "NMF": lambda *given: factorised(*given, kind="NMF"),
    "SCVI": of_scvi,
}


def labelled(units: np.ndarray, adata: ad.AnnData) -> dict:
    """Scores of units for each kind of labels, and the unit most informative about the erythroid label."""
    scores = {}
    for column in LABELS:
        found = scpi.metrics.association(units, adata.obs[column], how="smi")
        scores |= {
            f"{column}_lms": scpi.metrics.lms(found),
            f"{column}_msas": scpi.metrics.msas(found),
            f"{column}_msgs": scpi.metrics.msgs(found),
        }
    found = scpi.metrics.association(units, adata.obs["branch"], how="smi")[:, 0]
    return scores | {"erythroid_unit": int(found.argmax()), "erythroid_smi": float(found.max())}


def named(adata: ad.AnnData, units: np.ndarray, genes: np.ndarray, unit: int) -> dict:
    """Hallmark sets of the erythroid unit, with the sign that makes it higher in the branch, and of all units."""
    names = [f"unit_{i}" for i in range(genes.shape[1])]
    adata.varm["saliency"] = pd.DataFrame(genes, index=adata.var_names, columns=names)
    scpi.tl.gene_set_impact(adata)
    scpi.tl.annotate_units(adata, how="one_to_one", n_leading=None)
    impact, annotation = adata.uns["gene_set_impact"], adata.uns["unit_annotation"]
    branch = (adata.obs["branch"] == "erythroid").to_numpy()
    side = 1.0 if units[branch, unit].mean() >= units[~branch, unit].mean() else -1.0
    return {
        **first_sets(side * impact["zscore"][unit], impact["pval_adj"][unit], impact["sets"]),
        "annotation": str(annotation["sets"][unit]),
        "n_annotated": int((annotation["sets"] != "").sum()),
        "genes": str(annotation["genes"][unit]),
    }


def first_sets(z: np.ndarray, fdr: np.ndarray, sets: np.ndarray) -> dict:
    order = np.lexsort((-np.abs(z), fdr))
    place = [str(sets[i]) for i in order].index(EXPECTED)
    return {
        "first": [{"set": str(sets[i]), "z": float(z[i]), "fdr": float(fdr[i])} for i in order[:N_SHOWN]],
        "rank": place + 1,
        "z": float(z[order[place]]),
        "fdr": float(fdr[order[place]]),
    }


def contrasted(adata: ad.AnnData, model) -> dict:
    """Sets of the contrast of erythroid cells with the rest, each at the unit of its smallest p-value."""
    scpi.tl.impact_contrast(adata, model, "branch", target="erythroid", n_bootstrap=0)
    result = adata.uns["impact_contrast"]
    best, columns = result["pval_both"].argmin(axis=0), np.arange(len(result["sets"]))
    found = first_sets(result["zscore"][best, columns], result["pval_both_adj"][best, columns], result["sets"])
    place = [str(name) for name in result["sets"]].index(EXPECTED)
    return found | {"unit": str(result["units"][best[place]])}


def scored(adata: ad.AnnData, name: str, n_units: int | None, seed: int) -> dict:
    start = time.perf_counter()
    units, genes, model = METHODS[name](adata, n_units, seed)
    seconds = time.perf_counter() - start
    alive = units.std(axis=0) > 1e-3 * units.std()
    result = {"n_units": units.shape[1], "alive": int(alive.sum()), "seconds": round(seconds, 1)}
    result |= labelled(units, adata)
    if genes is not None:
        result["branch"] = named(adata, units, genes, result["erythroid_unit"])
    if name == OWN:
        result["contrast"] = contrasted(adata, model)
    return result


def run(seed: int, tasks: Tasks, methods: list[str]) -> None:
    adata = read()
    result = tasks.get(f"s{seed}") or {"seed": seed, "methods": {}}
    for name in methods:
        if name not in result["methods"]:
            n_units = None if name == OWN else result["methods"][OWN]["n_units"]
            result["methods"][name] = scored(adata, name, n_units, seed)
            tasks.add(f"s{seed}", result)
    print(f"seed {seed}", flush=True)


def collect(out: Path) -> None:
    """Means over the seeds, and the paired difference of GeneProgramAE to every other method with its 95 % interval."""
    tasks = list(Tasks(out).values())
    keys = ("n_units", "alive", *(f"{label}_{score}" for label in LABELS for score in ("lms", "msas", "msgs")))
    rows = [
        {"method": name, "seed": task["seed"]}
        | {key: found[key] for key in (*keys, "erythroid_smi", "seconds")}
        | ({"rank": found["branch"]["rank"]} if "branch" in found else {})
        for task in tasks
        for name, found in task["methods"].items()
    ]
    table = pd.DataFrame(rows)
    measures = table.columns.drop(["method", "seed"])
    means = table.groupby("method", sort=False)[list(measures)].mean().round(4).reset_index()
    result = {
        "seeds": [task["seed"] for task in tasks],
        "means": json.loads(means.to_json(orient="records")),
        "comparisons": comparisons(table, keys[2:]),
        "tasks": tasks,
    }
    store(out, result)
    print(means.to_string())
    for row in result["comparisons"]:
        print(row)


def comparisons(table: pd.DataFrame, measures) -> list[dict]:
    own = table[table["method"] == OWN].set_index("seed")
    found = []
    for name, rival in table[table["method"] != OWN].groupby("method", sort=False):
        for measure in measures:
            difference = (own[measure] - rival.set_index("seed")[measure]).dropna()
            mean = float(difference.mean())
            row = {"rival": name, "measure": measure, "seeds": len(difference)}
            row["difference"] = round(mean, 4)
            if len(difference) > 1:
                half = float(stats.t.ppf(0.975, len(difference) - 1) * difference.sem())
                row |= {"low": round(mean - half, 4), "high": round(mean + half, 4)}
            found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    args = parser.parse_args()
    one_quiet_thread()
    for seed in args.seeds:
        run(seed, Tasks(args.out), args.methods)
    collect(args.out)


if __name__ == "__main__":
    main()
