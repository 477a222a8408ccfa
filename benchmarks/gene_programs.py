"""Units against known gene programs: GeneProgramAE, other autoencoders, and matrix factorisations.

Every task simulates cells with eight known programs (:func:`scpi.datasets.gene_programs`) and trains each method with
one, two or eight times as many units as there are programs. It measures in the training cells how well units correspond
to programs (LMS, MSAS and MSGS of absolute Spearman correlations and of scaled mutual information, DCI, MIG), and how
well the genes of the unit matched to a program are those of the program (AUROC). The counts of further cells are split
in halves: a method reads one and predicts the proportions of the genes in the other, whose log-likelihood per count is
reported. One result per task; an interrupted run resumes where it stopped, adds missing methods, and can be divided
into parts::

    python benchmarks/gene_programs.py --out benchmarks/results/gene_programs --part 0/2
    python benchmarks/gene_programs.py --out benchmarks/results/gene_programs --collect

Gene scores are the effects of units on genes (loadings, components, or `decoder_effect`); for the published autoencoder
they are its guided saliency, as published. It trains in batches of 16 cells at the published learning rate, and on some
tasks with single cells, as published, which takes several times as long. Ablations and models of scvi-tools can be run
on part of the settings with `--methods`, `--overlaps` and `--correlations`; differences use the tasks that both methods
have. Settings were chosen on seeds 1000 and above; seeds 100 to 104 are reported.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scvi
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import sparse, stats
from sklearn.decomposition import NMF, PCA, FastICA

import scpi

N_PROGRAMS, N_GENES, N_CELLS, N_TEST = 8, 1000, 2000, 500
OWN = "GeneProgramAE"
OVERLAPS, CORRELATIONS, TIMES, SEEDS = (0.0, 0.25, 0.5), (0.0, 0.5), (1, 2, 8), (100, 101, 102, 103, 104)
PUBLISHED_BATCH = 16
COMPARED = ("lms", "msgs", "auroc")
# Mixed into predicted proportions, so that the loss stays finite for a gene predicted to be absent
SMOOTHING = 1e-3


class Result:
    """Units of the training cells, scores of genes x units, and a prediction of proportions from counts."""

    def __init__(self, units, genes, predict) -> None:
        self.units, self.genes, self.predict = np.asarray(units), np.asarray(genes), predict


def logged(counts, median: float) -> np.ndarray:
    dense = counts.toarray()
    return np.log1p(dense / np.maximum(dense.sum(1, keepdims=True), 1.0) * median)


def factorisation(train, n_units: int, seed: int, *, kind: str) -> Result:
    median = float(np.median(np.asarray(train.X.sum(1))))
    y = logged(train.X, median)
    if kind == "NMF":
        model = NMF(min(n_units, *y.shape), init="nndsvda", max_iter=400, random_state=seed)
    elif kind == "ICA":
        model = FastICA(n_units, whiten="unit-variance", max_iter=500, random_state=seed)
    else:
        model = PCA(n_units, random_state=seed)
    units = model.fit_transform(y)
    genes = model.mixing_ if kind == "ICA" else model.components_.T

    def predict(counts):
        z = model.transform(logged(counts, median))
        return np.expm1(np.maximum(model.inverse_transform(z), 0.0))

    return Result(units, genes, predict)


def own(train, n_units: int, seed: int, *, guided: bool = False, sets: str | None = None, **options) -> Result:
    adata = train.copy()
    if sets is not None:
        scpi.tl.gene_sets(adata, known_sets(adata, wrong=0.5 if sets == "wrong" else 0.0, seed=seed))
        options |= {"mask": "soft"}
        n_units -= N_PROGRAMS
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, n_units=n_units, seed=seed, **options)
    model.train(accelerator="cpu", enable_progress_bar=False)
    if guided:
        scpi.tl.saliency(adata, model, method="guided")
        genes = adata.varm["saliency"]
    elif len(model.module.decoder):
        scpi.tl.saliency(adata, model, method="decoder_effect")
        genes = adata.varm["saliency"]
    else:
        genes = model.get_loadings()

    def predict(counts):
        cells = scpi_cells(counts, adata)
        return model.get_normalized_expression(cells, return_numpy=True)

    return Result(model.get_latent_representation(), genes, predict)


def scpi_cells(counts, like):
    cells = like[: counts.shape[0]].copy()
    cells.X = counts
    return cells


def known_sets(adata, *, wrong: float, seed: int) -> dict[str, list[str]]:
    """Genes of the programs, with a fraction of them replaced by others."""
    rng = np.random.default_rng([seed, 1])
    sets = {}
    for name, weights in adata.varm["programs"].items():
        member = np.flatnonzero(weights != 0)
        n_wrong = int(wrong * len(member))
        kept = rng.choice(member, len(member) - n_wrong, replace=False)
        others = rng.choice(np.setdiff1d(np.arange(adata.n_vars), member), n_wrong, replace=False)
        sets[str(name)] = list(adata.var_names[np.concatenate([kept, others])])
    return sets


def of_scvi(train, n_units: int, seed: int, *, kind: str) -> Result:
    adata = train.copy()
    scvi.settings.seed = seed
    cls = scvi.external.DRVI if kind == "DRVI" else getattr(scvi.model, kind)
    cls.setup_anndata(adata)
    model = cls(adata, n_latent=n_units)
    model.train(accelerator="cpu", enable_progress_bar=False, early_stopping=True)
    if kind == "LinearSCVI":
        genes = model.get_loadings()
    else:
        scpi.tl.saliency(adata, model, method="decoder_effect")
        genes = adata.varm["saliency"]

    def predict(counts):
        cells = scpi_cells(counts, adata)
        return np.asarray(model.get_normalized_expression(cells, n_samples=10, return_numpy=True))

    return Result(model.get_latent_representation(), genes, predict)


PUBLISHED = {"preset": "paul", "guided": True}
PLAIN = {"unit_weight": 0.0, "gene_weight": 0.0, "activation": "softplus", "data_init": False, "decoder_hidden": (128,)}
METHODS = {
    OWN: lambda *given: own(*given),
    "GeneProgramAE, decorrelated": lambda *given: own(*given, orthogonality="activations", orthogonality_weight=100.0),
    "GeneProgramAE, random start": lambda *given: own(*given, data_init=False),
    "GeneProgramAE, no sparsity": lambda *given: own(*given, unit_weight=0.0, gene_weight=0.0),
    "GeneProgramAE, true sets": lambda *given: own(*given, sets="true"),
    "GeneProgramAE, half-wrong sets": lambda *given: own(*given, sets="wrong"),
    "published": lambda *given: own(*given, **PUBLISHED, batch_size=PUBLISHED_BATCH),
    "published, cell by cell": lambda *given: own(*given, **PUBLISHED),
    "plain autoencoder": lambda *given: own(*given, **PLAIN),
    "SCVI": lambda *given: of_scvi(*given, kind="SCVI"),
    "LinearSCVI": lambda *given: of_scvi(*given, kind="LinearSCVI"),
    "PCA": lambda *given: factorisation(*given, kind="PCA"),
    "ICA": lambda *given: factorisation(*given, kind="ICA"),
    "NMF": lambda *given: factorisation(*given, kind="NMF"),
}
if hasattr(scvi.external, "DRVI"):  # scvi-tools 1.5
    METHODS["DRVI"] = lambda *given: of_scvi(*given, kind="DRVI")
INFORMED = ("GeneProgramAE, true sets", "GeneProgramAE, half-wrong sets")


def halves(counts, rng):
    """Counts of cells split at random into two halves that sum to them."""
    first = sparse.csr_matrix(counts, dtype=np.float32, copy=True)
    first.data = rng.binomial(first.data.astype(np.int64), 0.5).astype(np.float32)
    return first, sparse.csr_matrix(counts - first)


def score(result: Result, truth, programs, test, rng) -> dict[str, float]:
    units = result.units
    found = scpi.metrics.association(units, truth)
    information = scpi.metrics.association(units, truth, how="smi")
    read, kept = halves(test.X, rng)
    shares = result.predict(read).astype(np.float64)
    shares = shares / shares.sum(1, keepdims=True) * (1 - SMOOTHING) + SMOOTHING / shares.shape[1]
    return {
        "lms": scpi.metrics.lms(found),
        "msas": scpi.metrics.msas(found),
        "msgs": scpi.metrics.msgs(found),
        "lms_smi": scpi.metrics.lms(information),
        "msgs_smi": scpi.metrics.msgs(information),
        "mig": scpi.metrics.mig(units, truth),
        "auroc": scpi.metrics.program_auroc(result.genes, programs, matching=scpi.metrics.match_units(found)).mean(),
        "loglik": float(kept.multiply(np.log(shares)).sum() / kept.sum()),
        "silent": float((units.std(0) < 1e-3 * units.std()).mean()),
    }


def name_of(task: dict) -> str:
    return f"o{task['overlap']}_c{task['correlation']}_x{task['times']}_s{task['seed']}"


def run(task: dict, tasks: Tasks, methods: list[str]) -> None:
    seed = task["seed"]
    adata = scpi.datasets.gene_programs(
        N_CELLS + N_TEST,
        N_GENES,
        N_PROGRAMS,
        overlap=task["overlap"],
        correlation=task["correlation"],
        rng=seed,
    )
    train, test = adata[:N_CELLS].copy(), adata[N_CELLS:].copy()
    truth, programs = train.obsm["programs"].to_numpy(), train.varm["programs"].to_numpy() != 0
    result = tasks.get(name_of(task)) or task | {"methods": {}}
    for name in methods:
        if name in result["methods"]:
            continue
        start = time.perf_counter()
        try:
            found = METHODS[name](train, N_PROGRAMS * task["times"], seed)
        except Exception as error:  # noqa: BLE001 - a method that fails on one set must not end a run of hours
            logging.getLogger(__name__).warning("%s failed: %s", name, error)
            continue
        seconds = time.perf_counter() - start
        scores = score(found, truth, programs, test, np.random.default_rng(seed))
        result["methods"][name] = {key: round(float(value), 4) for key, value in scores.items()}
        result["methods"][name]["seconds"] = round(seconds, 1)
        tasks.add(name_of(task), result)


def collect(out: Path) -> None:
    """Means over all tasks and over those of each number of units, and the paired difference to every other method."""
    tasks = list(Tasks(out).values())
    table = pd.DataFrame(
        {key: task[key] for key in ("overlap", "correlation", "times", "seed")} | {"method": method} | found
        for task in tasks
        for method, found in task["methods"].items()
    )
    measures = ["lms", "msas", "msgs", "lms_smi", "msgs_smi", "mig", "auroc", "loglik", "silent", "seconds"]
    result = {
        "seeds": sorted(int(seed) for seed in table["seed"].unique()),
        "n_tasks": len(tasks),
        "means": means(table, measures, ["method"]),
        "by_times": with_intervals(table, means(table, measures, ["times", "method"])),
        "by_setting": means(table, ["lms", "auroc", "msgs"], ["overlap", "correlation", "method"]),
        "comparisons": [row for measure in COMPARED for row in compare(table, measure)],
    }
    store(out, result)
    for part in ("means", "comparisons"):
        print(pd.DataFrame(result[part]).to_string())


def means(table: pd.DataFrame, measures: list[str], keys: list[str]) -> list[dict[str, object]]:
    grouped = table.groupby(keys)
    found = grouped[measures].mean().round(4)
    found["tasks"] = grouped.size()
    return found.reset_index().to_dict("records")


def with_intervals(table: pd.DataFrame, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Half the 95 % interval of some measures: by Student's t, over the means of the seeds."""
    of_seed = table.groupby(["times", "method", "seed"])[list(COMPARED)].mean()
    spread = of_seed.groupby(["times", "method"]).agg(["sem", "size"])
    for row in rows:
        found = spread.loc[(row["times"], row["method"])]
        for measure in COMPARED:
            sem, size = found[measure, "sem"], int(found[measure, "size"])
            row[f"{measure}_half"] = round(float(stats.t.ppf(0.975, size - 1) * sem), 4) if size > 1 else None
    return rows


def compare(table: pd.DataFrame, measure: str) -> list[dict[str, object]]:
    """Mean over tasks of the measure of scpi's default minus that of each other method, with its 95 % interval.

    Seeds are the replicates: the interval is that of the means of the seeds, by Student's t.
    """
    wide = table.pivot_table(index=["seed", "overlap", "correlation", "times"], columns="method", values=measure)
    rows = []
    for rival in wide.columns.drop(OWN):
        difference = (wide[OWN] - wide[rival]).dropna()
        of_seed = difference.groupby("seed").mean()
        half = stats.t.ppf(0.975, len(of_seed) - 1) * of_seed.sem() if len(of_seed) > 1 else np.nan
        rows.append(
            {
                "measure": measure,
                "rival": rival,
                "difference": round(float(of_seed.mean()), 4),
                "low": round(float(of_seed.mean() - half), 4),
                "high": round(float(of_seed.mean() + half), 4),
                "above": int((difference > 0).sum()),
                "tasks": len(difference),
                "seeds": len(of_seed),
            }
        )
    return sorted(rows, key=lambda row: row["difference"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--overlaps", type=float, nargs="+", default=list(OVERLAPS))
    parser.add_argument("--correlations", type=float, nargs="+", default=list(CORRELATIONS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--part", default="0/1", help="which part of the tasks, such as 0/2 and 1/2")
    parser.add_argument("--collect", action="store_true")
    args = parser.parse_args()
    if args.collect:
        collect(args.out)
        return
    one_quiet_thread()
    tasks = [
        dict(zip(("seed", "overlap", "correlation", "times"), values, strict=True))
        for values in itertools.product(args.seeds, args.overlaps, args.correlations, TIMES)
    ]
    part, n_parts = map(int, args.part.split("/"))
    for i, task in enumerate(tasks[part::n_parts]):
        start = time.perf_counter()
        run(task, Tasks(args.out), args.methods)
        print(f"{i + 1}/{len(tasks[part::n_parts])} {task}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
