"""Explanations of predictions: planted truth, null models, real screens, and time.

- mediators: pairs of :func:`scpi.datasets.plant_screen` that are held out, with 100 decoy sets beside the 8 planted ones. The sets of
  the conditions' mediators among the 10 that the predicted change moves most.
- features: 12 gene sets with an effect and 200 without, of 40 known perturbations; 8 unseen ones are explained. The sets with an
  effect among the 10 features that carry the most.
- nulls: the same with features that are shuffled. How often any part or gene has q of at most 0.05, and whether the p-value of one
  part or gene drawn from each model is uniform (Kolmogorov-Smirnov).
- networks: the same of SENAVAE whose parameters are shuffled.
- Papalexi et al.: rank and q-value of the interferon-gamma response in the predicted change, for perturbations that were trained on and
  that were left out; and the smallest q-value of any set. Gene sets are Hallmark sets with 3 measured genes.
- mechanisms: of the 30 of 100 compounds that share a mechanism of action with another, for how many the one that carries most of
  the prediction shares it, where compounds are described by their signatures.
- time: seconds for an explanation with 1,000 null models::

    SCPI_TEST_DATA=... python benchmarks/explanations.py --out benchmarks/results/explanations.json
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import papalexi
import scanpy as sc
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats

import scpi
from scpi._explained._significance import p_values
from scpi.de import false_discovery_control
from scpi.get import explained_prediction
from scpi.metrics import pearson_delta
from scpi.model import SENAVAE, PerturbationGP

N_KNOWN, N_NEW, N_SETS, N_DECOYS, TOP = 40, 8, 12, 200, 10


def train(adata: ad.AnnData, *, held_out: Any = (), **init: Any) -> PerturbationGP:
    PerturbationGP.setup_anndata(adata)
    model = PerturbationGP(adata, **init)
    model.train(train_size=1.0, held_out=held_out)
    return model


def recall(truth: set[str], named: list[str]) -> float:
    return len(truth & set(named[:TOP])) / len(truth)


def mediators(seed: int) -> dict[str, Any]:
    adata = scpi.datasets.plant_screen(n_decoy_sets=100, rng=seed)
    truth = adata.uns["truth"]
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    pairs = [label for label in truth["conditions"] if "+" in label][:10]
    model = train(adata, held_out=pairs)
    scpi.tl.explain_prediction(adata, model, pairs, n_null=20)
    found = explained_prediction(adata, "sets")
    programs = [f"program_{name}" for name in truth["targets"]["perturbation"]]
    scores = []
    for label in pairs:
        own = truth["mediators"][list(truth["conditions"]).index(label)]
        named = found[(found["perturbation"] == model.canonical(label)) & (found["of"] == "change")]["set"].tolist()
        scores.append(recall({programs[place] for place in np.flatnonzero(own)}, named))
    return {"recall": float(np.mean(scores)), "chance": TOP / (8 + 100)}


def planted(seed: int, *, shuffled: bool) -> tuple[PerturbationGP, list[str], list[set[str]]]:
    """A model of perturbations whose effects are sums over some of their gene sets, the unseen ones and those sets."""
    rng = np.random.default_rng([seed, 1])
    names = [f"GENE{i}" for i in range(N_KNOWN + N_NEW)]
    member = rng.random((len(names), N_SETS + N_DECOYS)) < 0.15
    effect = rng.normal(size=(N_SETS, 200)) * (rng.random((N_SETS, 200)) < 0.15)
    own = 0.5 * rng.normal(size=(len(names), 200)) * (rng.random((len(names), 200)) < 0.3)
    change = (member[:, :N_SETS] @ effect + own + 0.1 * rng.normal(size=own.shape)).astype(np.float32)
    titles = [f"{'real' if j < N_SETS else 'decoy'} {j}" for j in range(member.shape[1])]
    sets = {title: [names[i] for i in np.flatnonzero(own)] for title, own in zip(titles, member.T, strict=True)}
    table = ad.AnnData(change, obs=pd.DataFrame({"perturbation": names}, index=names))
    adata = scpi.screen.with_zero_control(table)
    scpi.tl.perturbation_features(adata, gene_sets=sets, symbols=False, min_size=2)
    model = train(adata, held_out=names[N_KNOWN:], shuffled=seed if shuffled else None)
    real = [{f"gene_sets: {titles[j]}" for j in np.flatnonzero(row[:N_SETS])} for row in member[N_KNOWN:]]
    return model, names[N_KNOWN:], real


def features(seed: int) -> dict[str, Any]:
    model, new, real = planted(seed, shuffled=False)
    scores, chance = [], []
    scpi.tl.explain_prediction(model.adata, model, new, n_null=20)
    parts = explained_prediction(model.adata, kind="features")
    for label, truth in zip(new, real, strict=True):
        named = [name for name in parts[parts["perturbation"] == label]["part"] if "(" not in name]
        if truth:
            scores.append(recall(truth, named))
            chance.append(min(1.0, TOP / len(named)))
    fidelity = explained_prediction(model.adata, "conditions")["fidelity"]
    return {"recall": float(np.mean(scores)), "chance": float(np.mean(chance)), "fidelity": float(fidelity.mean())}


def one_null(explanation: Any, seed: int, n: int) -> dict[str, Any]:
    """Whether anything is significant, and the p-value of one part or gene of each kind."""
    rng = np.random.default_rng([seed, 2])
    found = {}
    for kind, values in p_values(explanation, n, rng).items():
        own = explanation.parts.get(kind)
        tested = values if own is None else values[np.flatnonzero(own.is_tested)]
        if len(tested):
            q = false_discovery_control(tested)
            found[kind] = {"any": bool((q <= 0.05).any()), "p": float(rng.choice(tested))}
    return found


def null(seed: int) -> dict[str, Any]:
    model, new, _ = planted(seed, shuffled=True)
    return one_null(model.explain(perturbation=new[0]), seed, 500)


def network_null(seed: int) -> dict[str, Any]:
    from scpi.model.base.explanation._path import shuffle_parameters

    adata = scpi.datasets.plant_screen(n_perturbations=6, n_cells=20, doubles=False, rng=0)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    SENAVAE.setup_anndata(adata)
    model = SENAVAE(adata, seed=0, n_factors=6)
    model.train(max_epochs=2, enable_progress_bar=False, accelerator="cpu")
    shuffle_parameters(model.module, np.random.default_rng([seed, 3]))
    return one_null(model.explain(perturbation=model.perturbations_[0], n_cells=20), seed, 60)


def papalexi_sets() -> list[dict[str, Any]]:
    folder = Path(os.environ["SCPI_TEST_DATA"])
    adata = papalexi.load()
    sets = {"GO": folder / "go_bp_2021_enrichr.gmt", "Reactome": folder / "reactome_human.gmt"}
    scpi.tl.perturbation_features(adata, gene_sets=sets)
    rows = []
    whole = train(adata)
    for label in (*papalexi.STRONG, papalexi.NULL):
        for where, model in (("trained", whole), ("left out", train(adata, held_out=label))):
            scpi.tl.explain_prediction(adata, model, label, min_size=3)
            found = explained_prediction(adata, "sets")
            found = found[found["of"] == "change"].reset_index(drop=True)
            place = int(np.flatnonzero(found["set"] == papalexi.INTERFERON)[0])
            condition = explained_prediction(adata, "conditions").iloc[0]
            row = {"perturbation": label, "cells": where, "rank": place + 1, "q": float(found["qval"][place])}
            row |= {"n_significant": int((found["qval"] <= 0.05).sum()), "fidelity": float(condition["fidelity"])}
            parts = explained_prediction(adata, kind="perturbations")["part"].tolist()
            rows.append(row | {"carriers": [name for name in parts if name != label][:3]})
    return rows


def mechanisms() -> dict[str, Any]:
    raw = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / "lincs_100compounds_skb_5000genes_moa.h5ad")
    x, names = np.asarray(raw.X, dtype=np.float64), raw.obs["compound"].astype(str).tolist()
    known = [set() if str(one) in ("", "nan", "None") else set(str(one).split("|")) for one in raw.obs["moa"]]
    alike = np.array([[bool(a & b) for b in known] for a in known]) & ~np.eye(len(x), dtype=bool)
    has = np.flatnonzero(alike.any(axis=1))
    obs = pd.DataFrame({"perturbation": names}, index=names)
    adata = scpi.screen.with_zero_control(ad.AnnData(raw.X.astype(np.float32), obs=obs, var=raw.var[[]]))
    table = pd.DataFrame(x, index=names, columns=raw.var_names)
    scpi.tl.perturbation_features(adata, screens={"signatures": table}, symbols=False)
    scpi.tl.explain_prediction(adata, train(adata), [names[i] for i in has], n_null=20)
    parts = explained_prediction(adata, kind="perturbations")
    parts = parts[(parts["part"] != parts["perturbation"]) & (parts["part"] != "(what is special)")]
    first = parts.groupby("perturbation", sort=False)["part"].first()
    hits = {"largest carrier": sum(bool(alike[i, names.index(first[names[i]])]) for i in has)}
    for name, values in (("nearest signature", x), ("nearest signature, centred", x - x.mean(axis=0))):
        similar = np.stack([pearson_delta(np.tile(row, (len(x), 1)), values) for row in values])
        np.fill_diagonal(similar, -np.inf)
        hits[name] = int(alike[has, similar.argmax(axis=1)[has]].sum())
    return {"n": len(has), "hits": hits, "chance": float((alike.sum(axis=1)[has] / (len(x) - 1)).mean())}


def seconds() -> list[dict[str, Any]]:
    rows = []
    for n, n_genes in ((25, 300), (100, 2000), (500, 2000)):
        rng = np.random.default_rng(0)
        names = [f"GENE{i}" for i in range(n + 1)]
        sets = {f"set {j}": [names[i] for i in np.flatnonzero(rng.random(n + 1) < 0.05)] for j in range(500)}
        change = rng.normal(size=(n + 1, 20)) @ rng.normal(size=(20, n_genes))
        obs = pd.DataFrame({"perturbation": names}, index=names)
        adata = scpi.screen.with_zero_control(ad.AnnData(change.astype(np.float32), obs=obs))
        scpi.tl.perturbation_features(adata, gene_sets=sets, symbols=False, min_size=2)
        model = train(adata, held_out=names[-1])
        start = time.perf_counter()
        scpi.tl.explain_prediction(adata, model, names[-1])
        rows.append({"known": n, "genes": n_genes, "seconds": round(time.perf_counter() - start, 2)})
    return rows


def nulls_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = dict.fromkeys(kind for one in found for kind in one)
    rows = {}
    for kind in kinds:
        own = [one[kind] for one in found if kind in one]
        p = [one["p"] for one in own]
        rows[kind] = {"n": len(own), "false": sum(one["any"] for one in own)}
        rows[kind] |= {"below": float(np.mean(np.array(p) <= 0.05)), "ks": float(stats.kstest(p, "uniform").pvalue)}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--nulls", type=int, default=200)
    parser.add_argument("--networks", type=int, default=40)
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    wanted: dict[str, tuple[Any, ...]] = {"papalexi": (papalexi_sets,), "mechanisms": (mechanisms,), "time": (seconds,)}
    for seed in range(args.seeds):
        wanted |= {f"features {seed}": (features, seed), f"mediators {seed}": (mediators, seed)}
    wanted |= {f"null {seed}": (null, seed) for seed in range(args.nulls)}
    wanted |= {f"network {seed}": (network_null, seed) for seed in range(args.networks)}
    for name, (function, *given) in wanted.items():
        if name not in tasks:
            tasks.add(name, function(*given))
            print(name, flush=True)
    done = dict(tasks)
    result = {name: done[name] for name in ("papalexi", "mechanisms", "time")}
    for name in ("features", "mediators"):
        rows = [value for key, value in done.items() if key.startswith(f"{name} ")]
        result[name] = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        result[name] |= {"n": len(rows), "least": min(row["recall"] for row in rows)}
    for name in ("null", "network"):
        result[name] = nulls_of([value for key, value in done.items() if key.startswith(f"{name} ")])
    store(args.out, result)


if __name__ == "__main__":
    main()
