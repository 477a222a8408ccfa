"""Reproducibility of gene programs between training runs: GeneProgramAE, NMF and ICA.

Ten runs of each method on the 1,000 most variable genes of the progenitors of Paul et al. (2015), in two forms: on the
same cells, where the seed changes only initial weights and batches, and on a different 80 % of the cells for each seed.
GeneProgramAE has its defaults, whose initialisation with non-negative factors does not depend on the seed: on the same
cells it can hardly differ, and neither can NMF with its own initialisation, so that 80 % of the cells are the harder
test. NMF and ICA have as many units as GeneProgramAE, and as many as remain in its first run.

Units are the same program by the cosine of their effects on genes (`tl.consensus_programs`), at least 0.5, which is the
default of that function, or at least 0.8. The result is the fraction of the units of a run, without those that
vanished, that belong to a program found in at least 8 of the 10 runs. NMF of logarithms puts the mean expression into
all of its components, which makes them similar: the median of the largest cosine of each unit with another one of its
own run shows how informative a cosine is. Nothing was chosen on these data. Runs are cached, and an interrupted run
resumes where it stopped::

    SCPI_TEST_DATA=... python benchmarks/program_stability.py --cache CACHE --out benchmarks/results/program_stability.json
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import scanpy as sc
from _quiet import one_quiet_thread
from _results import store
from paul15_programs import OWN, logged, of_own, read
from sklearn.decomposition import NMF, FastICA

from scpi.model.gene_program._presets import PRESETS
from scpi.tl._impact._consensus import consensus

SEEDS = range(10)
FORMS = ("same cells", "80 % of the cells")
STARTS = {"NMF, random start": "random", "NMF, own start": "nndsvda"}
METHODS = (OWN, "ICA", *STARTS, f"{OWN}, random start")
LEAST, SIMILARITIES = 8, (0.5, 0.8)
N_GENES = 1000


def variable_genes(adata, n_genes: int):
    """Genes with the largest dispersion given their mean, as computed by scanpy."""
    scaled = sc.pp.log1p(sc.pp.normalize_total(adata, copy=True), copy=True)
    sc.pp.highly_variable_genes(scaled, n_top_genes=n_genes, flavor="seurat")
    return adata[:, scaled.var["highly_variable"].to_numpy()].copy()


def cells_of(adata, form: str, seed: int):
    if form == FORMS[0]:
        return adata
    rows = np.random.default_rng([seed, 80]).choice(adata.n_obs, int(0.8 * adata.n_obs), replace=False)
    return adata[np.sort(rows)]


def effects(adata, method: str, n_units: int | None, seed: int) -> np.ndarray:
    """Effects on genes, genes x units that have not vanished."""
    if method.startswith(OWN):
        options = {"data_init": False} if "random" in method else {}
        _, genes, model = of_own(adata, n_units, seed, **options)
        return genes[:, ~model.unit_statistics()["vanished"].to_numpy()]
    y = logged(adata)
    if method == "ICA":
        return FastICA(n_units, whiten="unit-variance", max_iter=500, random_state=seed).fit(y).mixing_
    return NMF(n_units, init=STARTS[method], max_iter=400, random_state=seed).fit(y).components_.T


def found(adata, form: str, method: str, n_units: int | None, seed: int, cache: Path) -> np.ndarray:
    words = (form, method, "all" if n_units is None else n_units, seed)
    path = cache / ("_".join(str(word).replace(" ", "-").replace(",", "").replace("%", "") for word in words) + ".npz")
    if path.is_file():
        return np.load(path)["genes"].astype(np.float64)
    start = time.perf_counter()
    genes = effects(cells_of(adata, form, seed).copy(), method, n_units, seed)
    np.savez_compressed(path, genes=genes.astype(np.float32), seconds=time.perf_counter() - start)
    print(path.name, genes.shape, flush=True)
    return genes


def nearest(genes: np.ndarray) -> np.ndarray:
    """Largest absolute cosine of each unit with another one of its run."""
    scaled = genes / np.maximum(np.linalg.norm(genes, axis=0), 1e-12)
    cosine = np.abs(scaled.T @ scaled)
    np.fill_diagonal(cosine, 0.0)
    return cosine.max(axis=0)


def summary(form: str, method: str, runs: list[np.ndarray]) -> dict:
    row = {
        "form": form,
        "method": method,
        "runs": len(runs),
        "units": float(np.mean([genes.shape[1] for genes in runs])),
        "cosine_within_run": float(np.median(np.concatenate([nearest(genes) for genes in runs]))),
    }
    for similarity in SIMILARITIES:
        programs = consensus(runs, min_similarity=similarity, min_runs=LEAST)
        recurring = (programs.members >= 0).sum(axis=0)
        shares = [n / genes.shape[1] for n, genes in zip(recurring, runs, strict=True)]
        row[f"share_{similarity}"] = float(np.mean(shares))
        row[f"least_share_{similarity}"] = float(np.min(shares))
        row[f"programs_{similarity}"] = int(programs.members.shape[0])
        row[f"in_all_{similarity}"] = int((programs.n_found == len(runs)).sum())
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=FORMS)
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    one_quiet_thread()
    adata = variable_genes(read(), N_GENES)
    rows = json.loads(args.out.read_text())["summary"] if args.out.is_file() else []
    for method in args.methods:
        for form in args.forms:
            if method.startswith(OWN):
                numbers = [None]
            else:
                n_left = found(adata, form, OWN, None, SEEDS[0], args.cache).shape[1]
                numbers = sorted({PRESETS["scpi"].n_units, n_left})
            for n_units in numbers:
                runs = [found(adata, form, method, n_units, seed, args.cache) for seed in SEEDS]
                name = method if n_units is None else f"{method}, {n_units} units"
                rows = [row for row in rows if (row["form"], row["method"]) != (form, name)]
                rows.append(summary(form, name, runs))
                print(rows[-1], flush=True)
                rows.sort(key=lambda row: (FORMS.index(row["form"]), row["method"]))
                store(args.out, {"least": LEAST, "n_genes": N_GENES, "summary": rows})


if __name__ == "__main__":
    main()
