"""Which genes networks name for their own clusters, beside a t-test on the same labels, on the 36 Splat sets.

The accuracy is the fraction of the first 30, 100 or all true genes among as many first genes of a ranking, by absolute scores, and its
mean over these numbers and over clusters. SCANVI is trained on the true labels. ``true labels`` has the gradients of a classifier that knows the fold changes: the log ratio
of negative binomial likelihoods, group against the others. Rankings and shrinkage were chosen on seed 7 of six configurations::

    python benchmarks/network_genes.py --out benchmarks/results/network_genes --seeds 100
"""

from __future__ import annotations

import argparse
import logging
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scanpy as sc
import scvi
from _quiet import one_quiet_thread
from _results import Tasks, store
from sklearn.cluster import KMeans

import scpi
from scpi._quiet import quiet_lightning
from scpi._ranking import read_ranking
from scpi.attribution import decoded_means

if TYPE_CHECKING:
    from anndata import AnnData

TRUE = "true labels"
OWN_CLUSTERS = ("SCDeepCluster", "SCZIDesk", "ContrastiveSC")
NETWORKS = (*OWN_CLUSTERS, "SCVI", "SCANVI")
DEPTHS = (30, 100, None)
RIVAL, KEY = "t-test", "ranking"
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}
# As many steps as take a set of 500 cells to convergence
N_STEPS = 1500


def train(network: str, adata: AnnData, seed: int) -> tuple[Any, np.ndarray]:
    """Trained network, and its labels of the cells: its clusters or classes, or k-means of its latent units."""
    n_groups = adata.obs["group"].nunique()
    with quiet_lightning():
        if network in OWN_CLUSTERS:
            model_cls = getattr(scpi.model, network)
            model_cls.setup_anndata(adata)
            model = model_cls(adata, n_clusters=n_groups, seed=seed)
            model.train(seed=seed, **QUIET)
            return model, np.asarray(model.predict(), dtype=str)
        scvi.settings.seed = seed
        scvi.model.SCVI.setup_anndata(adata)
        model = scvi.model.SCVI(adata)
        n_epochs = -(-N_STEPS // -(-adata.n_obs // 128))
        model.train(max_epochs=n_epochs, logger=False, **QUIET)
        if network == "SCANVI":
            model = scvi.model.SCANVI.from_scvi_model(model, "unknown", labels_key="group")
            model.train(max_epochs=n_epochs // 4, logger=False, **QUIET)
            return model, np.asarray(model.predict(), dtype=str)
    clusters = KMeans(n_groups, n_init=20, random_state=seed).fit_predict(model.get_latent_representation())
    return model, clusters.astype(str)


def scores_of(adata: AnnData, model: Any, names: list[str]) -> dict[str, np.ndarray]:
    """Scores of the rankings of the groups in `adata.obs["label"]`, groups x genes."""
    logged = sc.pp.log1p(sc.pp.normalize_total(adata, copy=True), copy=True)
    sc.tl.rank_genes_groups(logged, "label", method="t-test")
    found = {RIVAL: np.nan_to_num(read_ranking(logged, "rank_genes_groups").scores)}
    calls = {
        "sparse decoder of the counts": {"method": "sparse_decoder", "score": "mean"},
        "sparse decoder of the counts, rest": {"method": "sparse_decoder", "score": "mean", "reference": "rest"},
    }
    if model is not None:
        calls |= {"gradient": {"method": "gradient"}}
        calls |= {"gradient x difference from the rest": {"method": "input_x_gradient", "baseline": "rest"}}
        if hasattr(model, "decoder_target") or isinstance(model, (scvi.model.SCVI, scvi.model.SCANVI)):
            calls |= {"decoder contrast": {"method": "decoder_contrast"}}
            calls |= {"decoder contrast, rest": {"method": "decoder_contrast", "reference": "rest"}}
            codes = adata.obs["label"].cat.codes.to_numpy()
            decoded = decoded_means(scpi.model.decoder_target(model), model.get_latent_representation(), codes)
            found["decoder contrast, not shrunken"] = np.stack(
                [decoded[k] - np.median(np.delete(decoded, k, axis=0), axis=0) for k in range(len(names))]
            )
    for name, options in calls.items():
        of = {} if options["method"] == "sparse_decoder" else {"model": model}
        scpi.tl.rank_genes_gradients(
            adata, "label", **of, **({"reference": "median"} | options), test=None, key_added=KEY
        )
        found[name] = read_ranking(adata, KEY).scores
    return found


def known_gradients(adata: AnnData, groups: list[str]) -> dict[str, np.ndarray]:
    """Gradients of the classifier that knows the fold changes, in counts and in two inputs of networks, groups x genes."""
    scaled = np.asarray(sc.pp.normalize_total(adata, inplace=False)["X"].mean(axis=0)).ravel()
    mean = np.maximum(scaled, 1e-6)
    theta = 1 / np.maximum(scpi.de.estimate_overdispersion(adata.X, groups=adata.obs["group"]), 1e-6)
    fold = np.exp2(adata.varm["log2fc_rest"][groups].to_numpy().T)
    slope = np.log(fold) - np.log((fold * mean + theta) / (mean + theta))
    return {
        "true fold change": np.log2(fold),
        "gradient of the best classifier, counts": slope,
        "gradient of the best classifier, Pearson residuals": slope * np.sqrt(mean + 0.01 * mean**2),
        "gradient of the best classifier, log counts": slope * mean,
    }


def accuracies(scores: np.ndarray, adata: AnnData, groups: list[str]) -> dict[str, list[float]]:
    truths = {"factor": np.log(adata.varm["de_factor"][groups]), "rest": adata.varm["log2fc_rest"][groups]}
    return {
        truth: [
            round(float(np.mean(scpi.metrics.top_k_overlap(effect.to_numpy().T, np.abs(scores), k=k))), 4)
            for k in DEPTHS
        ]
        for truth, effect in truths.items()
    }


def measure(adata: AnnData, model: Any, labels: np.ndarray) -> dict:
    """Accuracies of all rankings for labels of the cells, each of which stands for the group that it matches."""
    matched = dict(scpi.metrics.match_labels(labels, adata.obs["group"].to_numpy().astype(str)).mapping)
    adata.obs["label"] = pd.Categorical(labels)
    names = list(adata.obs["label"].cat.categories)
    groups = [matched[name] for name in names]
    found = scores_of(adata, model, names) | (known_gradients(adata, groups) if model is None else {})
    return {
        "ari": round(float(scpi.metrics.ari(labels, adata.obs["group"].to_numpy())), 4),
        "methods": {name: accuracies(scores, adata, groups) for name, scores in found.items()},
    }


def collect(tasks: Tasks) -> dict:
    depths = ["30", "100", "all"]
    table = pd.DataFrame(
        dict(zip(("dataset", "seed", "network"), name.split(", "), strict=True))
        | {"truth": truth, "method": method, **dict(zip(depths, values, strict=True))}
        for name, result in tasks.items()
        for method, by_truth in result["methods"].items()
        for truth, values in by_truth.items()
    )
    table["mean"] = table[depths].mean(axis=1)
    rng, rows = np.random.default_rng(0), []
    for (network, truth), part in table.groupby(["network", "truth"]):
        sets = part.pivot_table(index="dataset", columns="method", values="mean")
        drawn = rng.integers(len(sets), size=(5000, len(sets)))
        for method in sets.columns:
            difference = (sets[method] - sets[RIVAL]).to_numpy()
            low, high = np.quantile(difference[drawn].mean(axis=1), [0.025, 0.975])
            of_method = part[part["method"] == method].groupby("dataset")[depths].mean().mean()
            row = {"network": network, "truth": truth, "method": method, **of_method, "mean": sets[method].mean()}
            row |= {"difference": difference.mean(), "low": low, "high": high}
            rows.append({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
            rows[-1] |= {"sets_above": int((difference > 0).sum()), "sets": len(sets)}
    ari = {
        network: round(float(np.median([result["ari"] for name, result in tasks.items() if name.endswith(network)])), 4)
        for network in table["network"].unique()
    }
    return {"rows": rows, "n_tasks": len(tasks), "seeds": sorted(map(int, table["seed"].unique())), "median_ari": ari}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100])
    parser.add_argument("--datasets", nargs="+", default=list(scpi.datasets.splat_configurations().index))
    parser.add_argument("--networks", nargs="+", default=[TRUE, *NETWORKS], choices=[TRUE, *NETWORKS])
    parser.add_argument("--collect", action="store_true", help="summarise what is finished, and run nothing")
    args = parser.parse_args()
    one_quiet_thread()
    scpi.settings.verbosity, scvi.settings.verbosity = "warning", logging.ERROR
    tasks = Tasks(args.out)
    for seed, dataset, network in product(args.seeds, args.datasets, args.networks):
        if (name := f"{dataset}, {seed}, {network}") not in tasks and not args.collect:
            adata = scpi.datasets.splat_benchmark(dataset, rng=seed)
            known = None, adata.obs["group"].to_numpy().astype(str)
            model, labels = known if network == TRUE else train(network, adata, seed)
            tasks.add(name, measure(adata, model, labels))
            print(name, flush=True)
    store(args.out, collect(tasks))


if __name__ == "__main__":
    main()
