"""Genes that separate two groups only in combination: found by saliency, but not by tests and linear weights.

Cells of ``scpi.datasets.xor``: the group depends on whether two modules of ten genes agree, and six decoy modules of
the same kind are irrelevant. For every ranking, the result is how many of the twenty drivers are among its first twenty
genes; chance gives 0.04 of them. The networks are the small classifier that ``scpi.tl.rank_genes_gradients`` trains if
no model is given, and that of Kinalis et al. (2019) for the same question: one hidden layer of 200 units on counts that
are scaled to between 0 and 1, guided gradients, and their absolute values summed over the cells of one group; trained
with batches of 32 cells for 100 epochs, rather than with single cells for 1,000. Accuracies are computed in a held-out
quarter of the cells; "modules known" is the accuracy of the true modules.

    OMP_NUM_THREADS=1 python benchmarks/xor.py --out benchmarks/results/xor.json
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _results import store
from scipy import stats
from sklearn.linear_model import LogisticRegression, SGDClassifier
from torch import nn

import scpi
from scpi._ranking import read_ranking
from scpi.tl._classifier import train_classifier

SETTINGS = ((2000, 4.0), (500, 4.0), (2000, 2.0), (500, 2.0))
SALIENCY = ("gradient", "integrated_gradients", "expected_gradients", "guided")
SIGNED = ("gradient", "integrated_gradients")
N_FIRST = 20


def scaled(adata) -> np.ndarray:
    """Logarithms of counts at the median depth, standardised."""
    counts = adata.X.toarray()
    totals = counts.sum(axis=1, keepdims=True)
    x = np.log1p(counts / totals * np.median(totals))
    return (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)


def of_network(adata, method: str) -> dict[str, np.ndarray]:
    """Absolute attributions averaged over the cells of both groups, and signed ones of a group over the other."""
    scpi.tl.rank_genes_gradients(adata, "group", method=method, spread=True, test=None, key_added="found")
    found = read_ranking(adata, "found")
    scores = {f"{method}, absolute": found.extra["mean_abs"].mean(axis=0)}
    return scores | ({f"{method}, signed": found.scores[0]} if method in SIGNED else {})


def of_published_network(adata, seed: int) -> np.ndarray:
    counts = torch.from_numpy(adata.X.toarray())
    low, high = counts.min(0).values, counts.max(0).values
    x = (counts - low) / (high - low).clamp(min=1)
    y = torch.from_numpy((adata.obs["group"] == "different").to_numpy().astype(np.float32))
    torch.manual_seed(seed)
    # The width of the layer is the sharpness of its activation there
    first, last = nn.Linear(x.shape[1], 200), nn.Linear(200, 1)
    network = nn.Sequential(first, nn.Softplus(beta=200), nn.Dropout(0.2), last)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(100):
        for rows in torch.randperm(len(x)).split(32):
            loss = nn.functional.binary_cross_entropy_with_logits(network(x[rows])[:, 0], y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.eval().requires_grad_(False)
    target = scpi.attribution.AttributionTarget(network, lambda values: values, ["different"], kind="logit")
    codes = np.where(y.numpy() > 0, 0, -1)
    return scpi.attribution.attribute_groups(target, x.numpy(), codes, method="guided").mean_abs[0]


def of_statistics(adata, method: str) -> np.ndarray:
    scpi.de.rank_genes(adata, "group", method=method, key_added="found")
    return read_ranking(adata, "found").scores[0]


def of_linear(adata, penalty: str) -> np.ndarray:
    if penalty == "l2":
        model = LogisticRegression(C=0.01, max_iter=1000)
    else:
        model = SGDClassifier(loss="log_loss", penalty="l1", alpha=0.01, max_iter=2000, random_state=0)
    return model.fit(scaled(adata), adata.obs["group"]).coef_[0]


def of_held_out(adata, tool, key: str) -> np.ndarray:
    tool(adata, "group", rankby_abs=True, key_added=key)
    return read_ranking(adata, key).scores[0]


def of_decoder(adata) -> np.ndarray:
    scpi.tl.rank_genes_gradients(adata, "group", test=None, key_added="found")
    return read_ranking(adata, "found").scores[0]


def rankings(adata, seed: int):
    """Name, scores of the genes, and seconds of every ranking."""
    calls = {f"network: {method}": lambda method=method: of_network(adata, method) for method in SALIENCY}
    calls |= {
        "network of the paper: guided": lambda: of_published_network(adata, seed),
        "boosted trees: SHAP": lambda: of_held_out(adata, scpi.tl.rank_genes_shap, "shap"),
        "classifier: permutation": lambda: of_held_out(adata, scpi.tl.rank_genes_permutation, "permutation"),
        "logistic regression: weights": lambda: of_linear(adata, "l2"),
        "sparse logistic regression: weights": lambda: of_linear(adata, "l1"),
        "sparse decoder": lambda: of_decoder(adata),
        "wilcoxon": lambda: of_statistics(adata, "wilcoxon"),
        "t-test": lambda: of_statistics(adata, "t-test"),
        "variance": lambda: np.log1p(adata.X.toarray()).var(axis=0),
    }
    for name, call in calls.items():
        start = time.perf_counter()
        found = call()
        seconds = time.perf_counter() - start
        for label, scores in found.items() if isinstance(found, dict) else [("", found)]:
            yield (f"network: {label}" if label else name), scores, seconds


def accuracies(adata, seed: int) -> dict[str, float]:
    """Accuracy in held-out cells of the network, of a linear classifier, and of the known modules."""
    codes = adata.obs["group"].cat.codes.to_numpy().astype(np.intp)
    held = np.random.default_rng(seed).random(adata.n_obs) < 0.25
    target = train_classifier(adata.X, np.where(held, -1, codes), ["same", "different"], seed=seed)
    with torch.no_grad():
        logits = target.function(target.transform(torch.from_numpy(adata.X[held].toarray())))
    x = scaled(adata)
    linear = LogisticRegression(C=0.01, max_iter=1000).fit(x[~held], codes[~held])
    sums = x @ np.sign(adata.varm["programs"][["A", "B"]].to_numpy())
    return {
        "network": float((logits.argmax(1).numpy() == codes[held]).mean()),
        "logistic regression": float(linear.score(x[held], codes[held])),
        "modules known": float(((sums.prod(axis=1) < 0) == codes)[held].mean()),
    }


def summarised(rows: list[dict], keys: tuple[str, ...], values: tuple[str, ...]) -> list[dict]:
    """Means over seeds, with the half width of their 95 % interval and the smallest value."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    result = []
    for place, found in groups.items():
        summary = dict(zip(keys, place, strict=True)) | {"seeds": len(found)}
        for name in values:
            numbers = np.array([row[name] for row in found])
            half = stats.t.ppf(0.975, len(numbers) - 1) * stats.sem(numbers) if len(numbers) > 1 else float("nan")
            summary |= {
                name: round(numbers.mean(), 4),
                f"{name}_half": round(half, 4),
                f"{name}_min": round(numbers.min(), 4),
            }
        result.append(summary)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows, classified = [], []
    for n_cells, fold in SETTINGS:
        for seed in range(args.seeds):
            setting = {"n_cells": n_cells, "fold": fold, "seed": seed}
            adata = scpi.datasets.xor(n_cells, fold=fold, rng=seed)
            driver = adata.var["is_driver"].to_numpy()
            for name, scores, seconds in rankings(adata, seed):
                found = {
                    "recall": float(scpi.metrics.precision_at_k(scores, driver, k=N_FIRST)) if scores.any() else 0.0,
                    "auroc": float(scpi.metrics.program_auroc(scores[:, None], driver[:, None], [0])[0]),
                }
                rows.append(setting | {"ranking": name} | found | {"seconds": round(seconds, 2)})
            classified += [setting | {"classifier": k, "accuracy": v} for k, v in accuracies(adata, seed).items()]
    result = {
        "n_genes": 500,
        "n_drivers": N_FIRST,
        "chance": N_FIRST / 500,
        "summary": summarised(rows, ("n_cells", "fold", "ranking"), ("recall", "auroc", "seconds")),
        "accuracy": summarised(classified, ("n_cells", "fold", "classifier"), ("accuracy",)),
        "runs": rows,
    }
    store(args.out, result)
    for row in result["summary"]:
        print(row["n_cells"], row["fold"], row["ranking"], row["recall"], row["recall_min"], row["auroc"])


if __name__ == "__main__":
    main()
