"""A context in which no perturbation was measured, or a few: what other contexts and features tell of the others.

Kang et al. (2018): interferon in five cell types, alone and of two donors. L1000: three drugs in 65 lines, which are left out in five parts. OP3:
screens simulated on four cell types with 40 compounds in ten groups, which are their features; and the same with the names of the compounds shuffled
within each cell type, so that cell types tell nothing of each other. Each context is left out, but for 0, 1, 3 or 10 random perturbations (0 or 1
of the drugs)::

    SCPI_TEST_DATA=... python benchmarks/unseen_contexts.py --out benchmarks/results/unseen_contexts

- squared_error: of the changes that were left out in a context, relative to that of the mean change of all training pairs of a perturbation and a
  context. pearson_perturbed: correlation of the change with the prediction, both less that mean; 0 where it is predicted.
- contexts pooled: PerturbationGP with the preset "kernel_ridge", which knows no contexts.
- mean here: mean change of the perturbations that were measured in the context.

Intervals are from a bootstrap over contexts, of all simulated screens.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scanpy as sc
from _intervals_data import kang, l1000
from _prediction import records, tidy
from _quiet import one_quiet_thread
from _results import Tasks, store

import scpi
from scpi import metrics
from scpi.benchmark import summarise
from scpi.model import MeanDelta, NearestDelta, PerturbationGP, RidgeDelta, WeightedDelta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "PerturbationGP": (PerturbationGP, {}),
    "contexts pooled": (PerturbationGP, {"preset": "kernel_ridge"}),
    **{model.__name__: (model, {}) for model in (MeanDelta, WeightedDelta, RidgeDelta, NearestDelta)},
}
SCORES = ["squared_error", "pearson_perturbed"]
# Models keep single precision: what is left of a mean that is predicted is rounding
_ROUNDING = 1e-5
VEHICLE = "Dimethyl Sulfoxide"
# Data, numbers of measured perturbations, seeds
DATA = {
    "kang2018, types": ([0], 1),
    "kang2018, types and donors": ([0], 1),
    "l1000": ([0, 1], 1),
    "op3": ([0, 1, 3, 10], 2),
    "op3, shuffled": ([0, 3, 10], 2),
}


def op3(seed: int, *, shuffled: bool) -> AnnData:
    adata = scpi.datasets.op3_like(n_compounds=40, n_genes=500, rng=seed)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    adata.obs["context"] = adata.obs["cell_type"].astype(str)
    labels = adata.obs["sm_name"].astype(str)
    groups = adata.obs.drop_duplicates("sm_name").set_index("sm_name")["chemical_group"].astype(str).drop(VEHICLE)
    if shuffled:
        rng = np.random.default_rng(seed)
        for context in sorted(adata.obs["context"].unique()):
            there = (adata.obs["context"] == context).to_numpy()
            new = dict(zip(groups.index, rng.permutation(groups.index), strict=True)) | {VEHICLE: VEHICLE}
            labels[there] = labels[there].map(new)
    adata.obs["perturbation"] = labels.replace(VEHICLE, "control").to_numpy()
    sets = groups.index.to_series().groupby(groups).agg(list).to_dict()
    scpi.tl.perturbation_features(adata, gene_sets=sets, symbols=False, min_size=1)
    return adata


def read(name: str, seed: int) -> AnnData:
    if name == "l1000":
        return l1000(seed)[0]
    if name.startswith("kang"):
        return kang(["cell_type", "donor"] if name.endswith("donors") else ["cell_type"], seed)[0]
    return op3(seed, shuffled=name.endswith("shuffled"))


def changes_of(adata: AnnData) -> pd.DataFrame:
    """Mean change of each perturbation in each context."""
    keys = [adata.obs["context"].astype(str).to_numpy(), adata.obs["perturbation"].astype(str).to_numpy()]
    means = adata.to_df().groupby(keys).mean()
    control = means.xs("control", level=1)
    means = means.drop("control", level=1)
    return means - control.loc[means.index.get_level_values(0)].to_numpy()


def parts_of(name: str, contexts: list[str], seed: int) -> list[list[str]]:
    """Contexts that are left out together."""
    order = np.random.default_rng(seed).permutation(contexts).tolist()
    return [part.tolist() for part in np.array_split(order, 5)] if name == "l1000" else [[one] for one in contexts]


def rows_of(name: str, seed: int, n_known: int) -> Iterator[dict[str, Any]]:
    """Scores of each context by each model."""
    adata, rng = read(name, seed), np.random.default_rng(seed)
    changes = changes_of(adata)
    there, label = (adata.obs[key].astype(str).to_numpy() for key in ("context", "perturbation"))
    names = {context: part.index.get_level_values(1).tolist() for context, part in changes.groupby(level=0)}
    for part in parts_of(name, sorted(names), seed):
        known = {one: rng.permutation(names[one])[:n_known].tolist() for one in part if len(names[one]) > n_known}
        out = np.zeros(adata.n_obs, dtype=bool)
        for one, own in known.items():
            out |= (there == one) & ~np.isin(label, [*own, "control"])
        train = changes[[pair[1] in known.get(pair[0], names[pair[0]]) for pair in changes.index]]
        mean, made = train.mean(axis=0).to_numpy(), {}
        for model_name, (cls, init) in MODELS.items():
            cls.setup_anndata(adata, context_key="context")
            made[model_name] = cls(adata, **init)
            indexing = [np.flatnonzero(~out), np.arange(0), np.flatnonzero(out)]
            made[model_name].train(datasplitter_kwargs={"external_indexing": indexing})
        for one, own in known.items():
            asked = [label for label in names[one] if label not in own]
            start = np.flatnonzero((there == one) & (label == "control"))[:1]
            found = {key: change(model, asked, one, start) for key, model in made.items()}
            if own:
                found["mean here"] = np.tile(train.loc[one].mean(axis=0), (len(asked), 1))
            real = changes.loc[[(one, label) for label in asked]].to_numpy()
            for key, predicted in found.items():
                yield {"data": name, "seed": seed, "n_known": n_known, "context": one, "model": key} | scores_of(
                    real, predicted, mean
                )


def change(model: Any, asked: list[str], context: str, start: NDArray[np.int64]) -> NDArray[np.float64]:
    predicted = model.predict(perturbation=asked, context=context, indices=start, output="mean")
    return np.asarray(predicted.X, dtype=np.float64) - predicted.uns["prediction"]["control_mean"]


def scores_of(real: NDArray, predicted: NDArray, mean: NDArray) -> dict[str, float | None]:
    """Scores of the changes that were left out in a context."""
    ratio = np.square(real - predicted).sum() / np.square(real - mean).sum()
    is_mean = np.abs(predicted - mean).max(axis=1) < _ROUNDING
    pearson = metrics.pearson_delta(real - mean, np.where(is_mean[:, None], real, predicted) - mean)
    return {"squared_error": tidy(ratio), "pearson_perturbed": tidy(np.where(is_mean, 0.0, pearson).mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    args = parser.parse_args()
    one_quiet_thread()
    tasks, result = Tasks(args.out), []
    for name in args.data:
        for n_known in DATA[name][0]:
            parts: list[dict[str, Any]] = []
            for seed in range(DATA[name][1]):
                task = f"{name}, {n_known}, {seed}"
                if task not in tasks:
                    tasks.add(task, list(rows_of(name, seed, n_known)))
                parts += tasks[task]
            rows = pd.DataFrame(parts)
            summary = summarise(rows, baseline="PerturbationGP", metrics=SCORES, pair_by=["seed", "context"])
            entry = {"data": name, "n_known": n_known, "n": int(summary["n"].max()), "summary": records(summary)}
            print(entry["data"], n_known, summary.to_string(), sep="\n", flush=True)
            result.append(entry)
    store(args.out, result)


if __name__ == "__main__":
    main()
