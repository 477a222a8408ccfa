"""Perturbations that were never measured, predicted from gene sets and symbols, alone and in pairs.

Norman et al. (2019, activation in K562 cells, 104 genes) and Wessels et al. (2023, knock-down in THP-1 cells, 28 genes): mean
profiles of conditions over 2,000 genes. Perturbations are divided into five parts, and each is left out in turn, for five
seeds (pairs: two); pairs with a member that is left out are left out with it. Sources are the sets of 5 to 500 genes of Gene Ontology
and of Reactome, and the beginnings of the symbols. Genes that are perturbed in any condition are excluded from all scores::

    SCPI_TEST_DATA=... python benchmarks/unseen_perturbations.py --out benchmarks/results/unseen_perturbations.json

- pearson_perturbed: correlation of the change with the prediction, both less the mean of the training conditions (of pairs: of
  the training pairs); 0 where that mean is predicted. squared_error: relative to that of the mean; the ratio of the sums
  is given beside. discrimination: rank among the conditions that are left out together.
- mean: PerturbationGP without features, which takes the mean effect for what was not measured.
- shuffled: with features that are shuffled among the perturbations.
- sum: of pairs, PerturbationGP without the power of the number of members.
- half of the cells: one half as the prediction of the other, of the pairs of Wessels et al.

Intervals are from a bootstrap over conditions, of means over seeds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from _prediction import records, tidy
from _quiet import one_quiet_thread
from _results import store

import scpi
from scpi import metrics
from scpi.benchmark import splits, summarise
from scpi.model import PerturbationGP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FILES = {
    "norman2019": "norman2019_pseudobulk_lfc_104s_130d.h5ad",
    "wessels2023": "wessels2023_carpool_pseudobulk_28s_158d.h5ad",
}
SETS = {"GO": "go_bp_2021_enrichr.gmt", "Reactome": "reactome_human.gmt"}
FULL, GENE_SETS, SYMBOLS = "features", "gene_sets", "symbols"
MODELS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "PerturbationGP": (FULL, {}),
    "PerturbationGP, gene sets": (GENE_SETS, {}),
    "PerturbationGP, symbols": (SYMBOLS, {}),
    **{name: (FULL, {"preset": name}) for name in ("kernel_ridge", "gene_ridge", "nearest", "linear")},
    "kernel_ridge, gene sets": (GENE_SETS, {"preset": "kernel_ridge"}),
    "shuffled": (FULL, {}),
    "mean": (None, {}),
}
BASELINES = {"single": "kernel_ridge, gene sets", "pair": "sum"}
SCORES = ["pearson_perturbed", "squared_error", "discrimination"]
# Of pairs, which take longer
OF_PAIRS = ("PerturbationGP", "kernel_ridge", "nearest", "shuffled", "mean")
PAIR_SEEDS = 2
CEILING = "half of the cells"
_ROUNDING = 1e-5


def read(name: str) -> ad.AnnData:
    """Changes of conditions with a control of zeros, and features from all sources, gene sets alone and symbols alone."""
    folder = Path(os.environ["SCPI_TEST_DATA"])
    adata = ad.read_h5ad(folder / FILES[name])
    if "delta" in adata.layers:
        control = adata["control"].to_df().to_numpy()
        adata = adata[adata.obs["perturbation"] != "control"].copy()
        adata.X = adata.layers.pop("delta")
        for half in ("half1", "half2"):
            adata.layers[half] = adata.layers[half] - control
    adata = scpi.screen.with_zero_control(adata)
    files = {source: folder / file for source, file in SETS.items()}
    for key, sets, symbols in ((FULL, files, True), (GENE_SETS, files, False), (SYMBOLS, None, True)):
        scpi.tl.perturbation_features(adata, gene_sets=sets, symbols=symbols, key_added=key)
    return adata


def predict(adata: ad.AnnData, split: splits.Split, labels: list[str], seed: int) -> Iterator[tuple[str, NDArray]]:
    """Predicted changes of conditions by each model, conditions x genes."""
    is_pair = "+" in labels[0]
    for name, (key, init) in MODELS.items():
        if is_pair and name not in OF_PAIRS:
            continue
        PerturbationGP.setup_anndata(adata, features_key=key)
        model = PerturbationGP(adata, **init, shuffled=seed if name == "shuffled" else None)
        model.train(datasplitter_kwargs={"external_indexing": [split.train, split.test[:0], split.test]})
        found = np.asarray(model.predict(perturbation=labels, n_cells=1, output="mean").X, dtype=np.float64)
        yield name, found
        if name == "PerturbationGP" and is_pair:
            yield "sum", found / 2.0**model.combination_power


def score(real: NDArray, predicted: NDArray, mean: NDArray) -> dict[str, NDArray]:
    """Scores of each condition against the mean, and the squared errors whose sums are compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pearson = metrics.pearson_delta(real - mean, predicted - mean)
        # Models keep single precision: what is left of a mean that is predicted is rounding
        is_mean = np.abs(predicted - mean).max(axis=1) < _ROUNDING
        found = {"pearson_perturbed": np.where(is_mean, 0.0, np.nan_to_num(pearson))}
        found["discrimination"] = metrics.perturbation_discrimination(real - mean, predicted - mean)
    of_model, of_mean = (np.square(real - one).sum(axis=1) for one in (predicted, mean))
    return found | {"squared_error": of_model / of_mean, "of_model": of_model, "of_mean": of_mean}


def rows_of(adata: ad.AnnData, kind: str, seed: int) -> Iterator[pd.DataFrame]:
    """Scores of single perturbations, or of pairs, that are left out."""
    x, is_pair = np.asarray(adata.to_df()), adata.obs["perturbation"].str.contains("+", regex=False).to_numpy()
    panel = set("+".join(adata.obs["perturbation"]).split("+"))
    scored = ~adata.var_names.isin(panel)
    used = np.flatnonzero((adata.obs["perturbation"] == "control") | ~is_pair) if kind == "single" else None
    for split in splits.leave_perturbations_out(adata, reference_fraction=0, rng=seed, cells=used):
        asked = split.test[is_pair[split.test] == (kind == "pair")]
        like = split.train[(is_pair == (kind == "pair"))[split.train] & (x[split.train] != 0).any(axis=1)]
        mean, real = x[like].mean(axis=0)[scored], x[asked][:, scored]
        labels = adata.obs["perturbation"].iloc[asked].tolist()
        made = dict(predict(adata, split, labels, seed))
        known = set("+".join(adata.obs["perturbation"].iloc[split.train]).split("+"))
        n_new = [len(set(label.split("+")) - known) for label in labels]
        keys = {"perturbation": labels, "seed": seed, "part": split.name, "n_new": n_new}
        for name, predicted in made.items():
            yield pd.DataFrame({"model": name} | keys | score(real, predicted[:, scored], mean))
        if kind == "pair" and "half1" in adata.layers:
            first, second = (np.asarray(adata.layers[half])[asked][:, scored] for half in ("half1", "half2"))
            yield pd.DataFrame({"model": CEILING} | keys | score(first, second, mean))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    one_quiet_thread()
    result = []
    data = {name: read(name) for name in FILES}
    for kind, name in itertools.product(BASELINES, data):
        seeds = args.seeds if kind == "single" else args.seeds[:PAIR_SEEDS]
        parts = [part for seed in seeds for part in rows_of(data[name], kind, seed)]
        for n_new, rows in pd.concat(parts, ignore_index=True).groupby("n_new"):
            summary = summarise(rows, baseline=BASELINES[kind], metrics=SCORES, average_over=["seed", "part"])
            sums = rows.groupby("model", sort=False)[["of_model", "of_mean"]].sum()
            ratio = (sums["of_model"] / sums["of_mean"]).to_dict()
            entry = {"data": name, "kind": kind, "n_new": int(n_new), "n": int(rows["perturbation"].nunique())}
            print(entry, flush=True)
            print(summary.pivot(index="model", columns="metric", values="mean").assign(ratio=ratio).to_string())
            result.append(entry | {"ratio": {key: tidy(value) for key, value in ratio.items()}})
            result[-1]["summary"] = records(summary)
            store(args.out, result)


if __name__ == "__main__":
    main()
