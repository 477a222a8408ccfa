"""Genes that drive clusters: 36 simulated data sets, three networks and the true labels, gradients and tests.

Every task simulates a configuration of :func:`scpi.datasets.splat_configurations`, trains a network on the counts of
all 2,500 genes (or uses the true groups), and ranks the genes of every cluster by each method, all two-sided: the genes
with the largest absolute score come first. The first 30, 100, or as many genes as there are true ones are compared with
the true ones, per cluster, for two truths: "factor", the factor of the matched group, which is 1 if the gene does not
differ from the base of the simulation, and "rest", the ratio of the group to the other groups. Accuracies are computed
among all genes, and among the 500 most variable ones, with the truth restricted to them. One result per task; an
interrupted run resumes where it stopped, and several runs can work in parallel, each on a part::

    python benchmarks/gradient_study.py --out benchmarks/results/gradient_study --seeds 100 101 102 --part 0/2
    python benchmarks/gradient_study.py --out benchmarks/results/gradient_study --seeds 100 --slow
    python benchmarks/gradient_study.py --out benchmarks/results/gradient_study --collect

`--slow` adds Shapley values, permutation and the zero-inflated test on the labels of finished tasks, `--published`
trains with the published settings. edgeR treats each cell as a sample, as the study did. Settings of networks and
methods were chosen on seeds 1000 and above; seeds 100 to 102 are reported.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import scpi
from scpi._ranking import read_ranking

NETWORKS = {"contrastive-sc": "ContrastiveSC", "scDeepCluster": "SCDeepCluster", "scziDesk": "SCZIDesk"}
# Number of most variable genes that the study used for each network; all genes for scDeepCluster
PUBLISHED_GENES = {"contrastive-sc": 1500, "scDeepCluster": None, "scziDesk": 500}
TRUTH = "true labels"
# Clusterings without a network: k-means on principal components of Pearson residuals, or of logarithms
SIMPLE = ("PCA of residuals", "PCA of logarithms")
N_COMPONENTS = 10
N_HVG = 500
DEPTHS = {"30": 30, "100": 100, "all": None}
TESTS = ("t-test", "t-test_overestim_var", "wilcoxon", "logistic", "edger")
ATTRIBUTIONS = ("gradient", "input_x_gradient", "integrated_gradients", "smoothgrad", "deeplift", "expected_gradients")
SLOW = ("zinb", "shap", "permutation")
KEY = "ranking"
DECODER = "sparse decoder"
FIRST_SEED = 100
# Data sets on which all attributions are compared, with the first seed
ABLATED = "de0.1_mid0"
# Pseudocounts that are added to means before their logarithm
OFFSET = 0.1


def task_name(name: str, seed: int, labels: str) -> str:
    return f"{name}_s{seed}_{labels.replace(' ', '-')}"


def embed(adata, network: str, *, preset: str, seed: int) -> tuple[object, dict[str, float]]:
    """Trained network, with the cost and the results of training."""
    model_cls = getattr(scpi.model, NETWORKS[network])
    model_cls.setup_anndata(adata)
    model = model_cls(adata, preset=preset, n_clusters=adata.obs["group"].nunique(), seed=seed)
    start = time.perf_counter()
    model.train(enable_progress_bar=False, accelerator="cpu")
    seconds = time.perf_counter() - start
    labels = model.predict()
    truth = adata.obs["group"].to_numpy()
    scores = {
        "train_seconds": seconds,
        "ari": scpi.metrics.ari(labels, truth),
        "nmi": scpi.metrics.nmi(labels, truth),
    }
    return model, scores


def variable_genes(adata, n_genes: int) -> np.ndarray:
    """Whether each gene is among the most variable ones, by their normalised dispersion."""
    logged = sc.pp.log1p(sc.pp.normalize_total(adata, copy=True), copy=True)
    return sc.pp.highly_variable_genes(logged, n_top_genes=n_genes, inplace=False)["highly_variable"].to_numpy()


def simple_clusters(adata, name: str, *, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """Clusters of k-means, and their properties."""
    start = time.perf_counter()
    cells = adata.copy()
    sc.pp.filter_genes(cells, min_counts=1)
    if name == SIMPLE[0]:
        sc.experimental.pp.normalize_pearson_residuals(cells)
    else:
        sc.pp.normalize_total(cells)
        sc.pp.log1p(cells)
        sc.pp.scale(cells)
    components = PCA(N_COMPONENTS, random_state=seed).fit_transform(np.asarray(cells.X))
    labels = KMeans(adata.obs["group"].nunique(), n_init=20, random_state=seed).fit_predict(components).astype(str)
    truth = adata.obs["group"].to_numpy()
    seconds = time.perf_counter() - start
    return labels, {
        "train_seconds": seconds,
        "ari": scpi.metrics.ari(labels, truth),
        "nmi": scpi.metrics.nmi(labels, truth),
    }


def rankings(adata, model, *, slow: bool, gradient: bool, attributions: bool, first_seed: bool):
    """Names of methods, scores (groups x genes) and seconds; methods that fail are skipped with a message."""
    calls = {}
    if slow:
        calls["zinb"] = lambda: scpi.de.rank_genes(adata, "label", method="zinb", key_added=KEY)
        calls["shap"] = lambda: scpi.tl.rank_genes_shap(adata, "label", key_added=KEY)
        calls["permutation"] = lambda: scpi.tl.rank_genes_permutation(adata, "label", key_added=KEY)
    else:
        for reference in ("median", "rest"):
            calls["sparse decoder" if reference == "median" else "sparse decoder, rest"] = lambda reference=reference: (
                scpi.tl.rank_genes_gradients(adata, "label", reference=reference, test=None, key_added=KEY)
            )
        # edgeR on thousands of samples takes longer than all other methods together: it runs once
        for test in TESTS if first_seed else [test for test in TESTS if test != "edger"]:
            options = {"sample_key": "cell", "min_cells": 1} if test == "edger" else {}
            calls[test] = lambda test=test, options=options: scpi.de.rank_genes(
                adata, "label", method=test, key_added=KEY, **options
            )
        names = ATTRIBUTIONS if attributions else ATTRIBUTIONS[:1]
        for method in names if gradient else ():
            calls[f"{method}, {'classifier' if model is None else 'network'}"] = lambda method=method: (
                scpi.tl.rank_genes_gradients(
                    adata, None if model else "label", model=model, method=method, test=None, key_added=KEY
                )
            )
    for name, call in calls.items():
        start = time.perf_counter()
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a method that fails on one set must not end a run of hours
            logging.getLogger(__name__).warning("%s failed: %s", name, error)
            yield name, None, None
            continue
        found = read_ranking(adata, KEY)
        yield name, found, time.perf_counter() - start


def simple_rankings(adata, groups) -> dict[str, np.ndarray]:
    """Fold changes of means, which need no model: scores of groups x genes."""
    scaled = sc.pp.normalize_total(adata, inplace=False)["X"]
    member = [(adata.obs["label"] == name).to_numpy() for name in groups]
    mean, rest = (
        np.stack([np.asarray(scaled[rows].mean(0)).ravel() for rows in of]) for of in (member, [~m for m in member])
    )
    square, rest_square = (
        np.stack([np.asarray(scaled[rows].power(2).mean(0)).ravel() for rows in of])
        for of in (member, [~m for m in member])
    )
    size = np.array([[rows.sum(), (~rows).sum()] for rows in member], dtype=float)
    logged = np.log2(mean + OFFSET)
    to_median = logged - np.median(logged, axis=0)
    to_rest = logged - np.log2(rest + OFFSET)
    variance = (square - mean**2) / size[:, :1] / (mean + OFFSET) ** 2
    variance += (rest_square - rest**2) / size[:, 1:] / (rest + OFFSET) ** 2
    changed = np.stack([probability_of_change(*row) for row in zip(to_rest * np.log(2), variance, strict=True)])
    return {
        "fold change": to_rest,
        "fold change over the median": to_median,
        "fold change over the median x P": to_median * changed,
    }


def probability_of_change(effect: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Posterior under a mixture of a spike at zero and a normal, fitted by expectation maximisation."""
    share, spread = 0.1, 0.1
    for _ in range(50):
        slab = share * stats.norm.pdf(effect, scale=np.sqrt(variance + spread))
        spike = (1 - share) * stats.norm.pdf(effect, scale=np.sqrt(variance + 1e-12))
        posterior = slab / (slab + spike + 1e-300)
        share = posterior.mean()
        shrunken = spread / (spread + variance)
        spread = (posterior * ((shrunken * effect) ** 2 + shrunken * variance)).sum() / posterior.sum()
    return posterior


def accuracy(scores, adata, found_groups, genes, matched, universe) -> dict[str, dict[str, float]]:
    """Mean over clusters, by truth and number of genes."""
    place = pd.Index(genes).get_indexer(adata.var_names)
    rows = [i for i, group in enumerate(found_groups) if group in matched]
    score = np.abs(scores[rows][:, place][:, universe])
    groups = [matched[found_groups[i]] for i in rows]
    truths = {
        "factor": np.log(adata.varm["de_factor"][groups].to_numpy().T[:, universe]),
        "rest": adata.varm["log2fc_rest"][groups].to_numpy().T[:, universe],
    }
    return {
        truth: {
            depth: round(float(np.mean(scpi.metrics.top_k_overlap(effect, score, k=k))), 4)
            for depth, k in DEPTHS.items()
        }
        for truth, effect in truths.items()
    }


def run(name: str, seed: int, labels: str, tasks: Tasks, *, preset: str, slow: bool, cache: Path) -> None:
    adata = scpi.datasets.splat_benchmark(name, rng=seed)
    adata.obs["cell"] = adata.obs_names
    result = {"dataset": name, "seed": seed, "labels": labels}
    task = task_name(name, seed, labels)
    known = tasks.get(task)
    model, stored = None, cache / f"{task}.csv"
    if labels == TRUTH:
        adata.obs["label"] = adata.obs["group"].astype(str).astype("category")
    elif slow and stored.is_file():
        adata.obs["label"] = pd.Categorical(pd.read_csv(stored, dtype=str)["label"])
    elif labels in SIMPLE:
        found, scores = simple_clusters(adata, labels, seed=seed)
        adata.obs["label"] = pd.Categorical(found)
        result |= {key: round(value, 4) for key, value in scores.items()}
    else:
        n_genes = PUBLISHED_GENES[labels] if preset == "published" else None
        read = adata if n_genes is None else adata[:, variable_genes(adata, n_genes)].copy()
        model, scores = embed(read, labels, preset=preset, seed=seed)
        adata.obs["label"] = pd.Categorical(np.asarray(model.predict(), dtype=str))
        cache.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"label": adata.obs["label"].to_numpy()}).to_csv(stored, index=False)
        result |= {key: round(value, 4) for key, value in scores.items()}
    matched = dict(scpi.metrics.match_labels(adata.obs["label"].to_numpy(), adata.obs["group"].to_numpy()).mapping)
    universes = {"all": np.arange(adata.n_vars), "hvg": np.flatnonzero(variable_genes(adata, N_HVG))}
    methods = dict(known["methods"]) if known else {}

    def add(method, scores, groups, genes, seconds) -> None:
        found = {where: accuracy(scores, adata, groups, genes, matched, which) for where, which in universes.items()}
        methods[method] = {"seconds": round(seconds, 3)} | found

    if not slow:
        groups = list(adata.obs["label"].cat.categories)
        for method, scores in simple_rankings(adata, groups).items():
            add(method, scores, groups, adata.var_names, 0.0)
        if labels == TRUTH:
            add("oracle", adata.varm["log2fc_rest"][groups].to_numpy().T, groups, adata.var_names, 0.0)
    for method, ranking, seconds in rankings(
        adata,
        model,
        slow=slow,
        # The encoder of a published network may not have read all genes
        gradient=labels not in SIMPLE and preset != "published",
        attributions=seed == FIRST_SEED and name.endswith(ABLATED) and labels not in SIMPLE,
        first_seed=seed == FIRST_SEED,
    ):
        if ranking is not None:
            add(method, ranking.scores, ranking.groups, ranking.genes, seconds)
    result = (known or result) | {"methods": methods}
    tasks.add(task, result)


def is_done(result: dict | None, *, slow: bool) -> bool:
    return result is not None and (not slow or all(name in result["methods"] for name in SLOW))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/gradient_study"), help="labels of the networks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100])
    parser.add_argument("--labels", nargs="+", default=[TRUTH, *NETWORKS], choices=[TRUTH, *NETWORKS, *SIMPLE])
    parser.add_argument("--datasets", nargs="+", help="names of configurations; all by default")
    parser.add_argument("--part", default="0/1", help="which part of the tasks, such as 0/2 and 1/2")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--collect", action="store_true")
    args = parser.parse_args()
    out = args.out.with_name(args.out.name + "_published") if args.published else args.out
    if args.collect:
        collect(out)
        return
    one_quiet_thread()
    names = args.datasets or list(scpi.datasets.splat_configurations().index)
    tasks, done = list(itertools.product(args.seeds, names, args.labels)), Tasks(out)
    part, n_parts = map(int, args.part.split("/"))
    for i, (seed, name, labels) in enumerate(tasks[part::n_parts]):
        if is_done(done.get(task_name(name, seed, labels)), slow=args.slow):
            continue
        start = time.perf_counter()
        run(
            name,
            seed,
            labels,
            done,
            preset="published" if args.published else "scpi",
            slow=args.slow,
            cache=args.cache / ("published" if args.published else "scpi"),
        )
        print(
            f"{i + 1}/{len(tasks[part::n_parts])} {task_name(name, seed, labels)}: {time.perf_counter() - start:.0f} s",
            flush=True,
        )


def collect(out: Path) -> None:
    """Tables of all tasks: clusterings, mean accuracies, and the decoder against each method, paired by data set."""
    tasks = list(Tasks(out).values())
    table = pd.DataFrame(
        {
            "dataset": task["dataset"],
            "seed": task["seed"],
            "labels": task["labels"],
            "method": method,
            "seconds": found["seconds"],
            "universe": universe,
            "truth": truth,
            "k": k,
            "accuracy": value,
        }
        for task in tasks
        for method, found in task["methods"].items()
        for universe in ("all", "hvg")
        for truth, depths in found[universe].items()
        for k, value in depths.items()
    )
    result = {
        "seeds": sorted(int(seed) for seed in table["seed"].unique()),
        "n_tasks": len(tasks),
        "clusterings": clusterings(tasks),
        "accuracy": accuracies(table),
        "comparisons": comparisons(table),
    }
    store(out, result)
    for part in ("clusterings", "comparisons"):
        print(pd.DataFrame(result[part]).to_string())


def clusterings(tasks) -> list[dict[str, object]]:
    """Agreement with the groups, over sets and seeds, and the time for 3,000 cells."""
    rows = []
    for name in (*NETWORKS, *SIMPLE):
        found = [task for task in tasks if task["labels"] == name]
        if found:
            ari = [task["ari"] for task in found]
            large = [task["train_seconds"] for task in found if task["dataset"].startswith("imbalanced")]
            rows.append(
                {
                    "labels": name,
                    "tasks": len(found),
                    "ari_median": round(float(np.median(ari)), 4),
                    "ari_q1": round(float(np.quantile(ari, 0.25)), 4),
                    "ari_min": round(min(ari), 4),
                    "seconds_3000_cells": round(float(np.median(large)), 1) if large else None,
                    "seconds": round(float(np.median([task["train_seconds"] for task in found])), 1),
                }
            )
    return rows


def accuracies(table: pd.DataFrame) -> list[dict[str, object]]:
    """Means over sets, each the mean of its seeds, with the median time."""
    keys = ["universe", "truth", "labels", "method"]
    per_set = table.groupby([*keys, "dataset", "k"], as_index=False)["accuracy"].mean()
    means = per_set.pivot_table(index=keys, columns="k", values="accuracy", aggfunc="mean")[list(DEPTHS)].round(4)
    means["mean"] = means.mean(axis=1).round(4)
    means["sets"] = per_set.groupby(keys)["dataset"].nunique()
    means["seconds"] = table.groupby(keys)["seconds"].median().round(3)
    return means.reset_index().to_dict("records")


def comparisons(table: pd.DataFrame) -> list[dict[str, object]]:
    """Mean accuracy of the decoder minus that of each method, paired by data set, on the same labels."""
    rows = []
    keys = ["universe", "truth", "labels", "method", "dataset", "seed"]
    per_task = table.groupby(keys)["accuracy"].mean()
    networks = per_task[per_task.index.isin(NETWORKS, level="labels")].unstack("labels")
    # A mean over the networks where all three are done
    overall = networks.dropna().mean(axis=1)
    known = [labels for labels in (TRUTH, *NETWORKS) if labels in set(table["labels"])]
    for universe, truth, labels in itertools.product(("all", "hvg"), ("factor", "rest"), (*known, "networks")):
        of = overall[universe, truth] if labels == "networks" else per_task[universe, truth, labels]
        wide = of.unstack("method")
        own = wide[DECODER if truth == "factor" else f"{DECODER}, rest"]
        rivals = {name: wide[name] for name in wide if name not in (own.name, "oracle")}
        best = wide[[name for name in (*TESTS, *SLOW) if name in wide]].max(axis=1)
        for name, rival in {**rivals, "best test of each task": best}.items():
            # On the same tasks, with one value per data set
            difference = (own - rival).dropna().groupby("dataset").mean()
            if len(difference) >= 5:
                rows.append(
                    {
                        "universe": universe,
                        "truth": truth,
                        "labels": labels,
                        "rival": name,
                        "difference": round(float(difference.mean()), 4),
                        "sets_above": int((difference > 0).sum()),
                        "sets": len(difference),
                        "signed_rank_pval": float(stats.wilcoxon(difference).pvalue),
                    }
                )
    return rows


if __name__ == "__main__":
    main()
