"""The metrics and settings of the published comparison, on the available blood cells.

Each network with its published preset predicts each cell type of kang_harmony (2,000 most variable genes) and
kang_muscat (1,267 genes) from all of its controls, once. Three metrics follow the publication: DEG, how many of the
first 100 genes of a t-test of the measured treated cells against the controls are among those of the predicted cells
(genes that rise only); R², the squared correlation of the mean expression; and the Euclidean distance of the means of
measured and predicted cells divided by that of control and predicted cells, in 50 joint principal components of the
three kinds of cells, fitted for each model. In addition, the correlation and the error of the change are reported. All
controls are used for everything here, as published, so that the noise of the control mean counts for every model;
`grids/contexts.yaml` is the fair comparison.

The published figures (`PUBLISHED`, means over seven cell types and three seeds) come from 18,868 cells of the same
experiment and 6,998 genes, about nine times the cells; chance gives 1.4 common genes there, 5 of 2,000 genes and 8 of
1,267. The multi-task autoencoders have a published learning rate of 1e-5, which in the steps of 400 epochs here leaves
them where they started: their rate is multiplied by the ratio of the numbers of cells, so that rate times steps is as
published. They include one whose conditioned layers start at the identity, and the one by optimal transport with the
pairs of the published code, which combines cells of different types. SCPREGAN takes 20,000 steps as published, about an
hour per cell type; it and others are selected with `--models`::

    SCPI_TEST_DATA=... python benchmarks/predict_published.py --out benchmarks/results/predict_published --models SCVIDR
    SCPI_TEST_DATA=... python benchmarks/predict_published.py --out benchmarks/results/predict_published --collect
"""

from __future__ import annotations

import json
import time

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from _prediction import QUIET, ModelSpec, baselines, in_order, kept, network, parser, read, records, run, tasks_of
from _results import store

import scpi
from scpi import metrics
from scpi._screen._split import split_cells
from scpi.benchmark import splits
from scpi.model.base.loading._transport import CellPairs
from scpi.model.multitask._matching import match_tasks
from scpi.model.multitask._presets import PRESETS

DATASETS = ("kang_muscat", "kang_harmony")


def match_wrongly(splitter, cells, **kwargs):
    """Pairs as published: the index of the partner within its context is used as an index of all treated cells."""
    source, target = match_tasks(splitter, cells, **kwargs)
    treated = cells[~splitter.is_control(cells)]
    for stratum in np.unique(splitter.strata[treated]):
        local = treated[splitter.strata[treated] == stratum]
        own = np.isin(target, local)
        target[own] = treated[np.searchsorted(local, target[own])]
    return CellPairs(source, target)


class WrongPairs(scpi.model.MultiTaskAE):
    """The defect of the published code, to show its effect."""

    _match = staticmethod(match_wrongly)


PUBLISHED_CELLS = 18_868

NETWORKS = {
    "MTAe": network("MultiTaskAE", preset="published", validation_size=0.2),
    "MTAe, identity start": network("MultiTaskAE", preset="published", film_start="identity", validation_size=0.2),
    "MTAeAdv": network("MultiTaskAE", preset="published-adversarial", validation_size=0.2),
    "MTAeOT": network("MultiTaskAE", preset="published-ot", validation_size=0.2),
    "MTAeOT, wrong pairs": ModelSpec(
        model=WrongPairs, init={"preset": "published-ot"}, train=QUIET, validation_size=0.2
    ),
    "SCGEN": network("SCGEN", preset="published", validation_size=0.1),
    "SCVIDR": network("SCVIDR", preset="published", validation_size=0.1),
    "SCButterfly": network("SCButterfly", preset="published", validation_size=0.2),
    "SCPREGAN": network("SCPREGAN", preset="published"),
}
BASELINES = baselines("NoChange", "TrainMean", "MeanDelta", "NearestDelta", "WeightedDelta", "LogRatioDelta")
MODELS = BASELINES | NETWORKS
# Common genes of the first 100, R² of the means, ratio of Euclidean distances: published, seven cell types and three seeds
PUBLISHED = {
    "MTAe": (75.7, 0.946, 0.651),
    "MTAeAdv": (72.4, 0.961, 0.429),
    "scButterfly": (66.7, 0.948, 0.418),
    "MTAeOT": (41.2, 0.657, 0.883),
    "scPreGAN": (35.2, 0.764, 0.690),
    "scGen": (32.5, 0.915, 0.760),
    "scVIDR": (26.4, 0.970, 0.395),
}
TOP = 100
COLUMNS = ("deg", "r2", "euclidean", "euclidean_real", "pearson", "error_ratio")


def t_statistics(cells: np.ndarray, control: np.ndarray) -> np.ndarray:
    """scanpy's t-test against the control."""
    both = ad.AnnData(np.concatenate([cells, control]).astype(np.float32))
    both.obs["group"] = pd.Categorical(["cells"] * len(cells) + ["control"] * len(control))
    sc.tl.rank_genes_groups(both, "group", reference="control", method="t-test")
    found = sc.get.rank_genes_groups_df(both, "cells").set_index("names")["scores"]
    return found.loc[both.var_names].to_numpy(dtype=np.float64)


def score(real: np.ndarray, predicted: np.ndarray, control: np.ndarray) -> dict[str, float]:
    together = ad.AnnData(np.concatenate([real, predicted, control]).astype(np.float32))
    sc.pp.pca(together, n_comps=50)
    parts = np.split(together.obsm["X_pca"], np.cumsum([len(real), len(predicted)]))
    means = [part.mean(0, dtype=np.float64) for part in parts]
    ratios = {
        denominator: metrics.distance_ratio(
            *means, distance=lambda x, y: float(np.linalg.norm(x - y)), denominator=denominator
        )
        for denominator in ("predicted", "real")
    }
    change, moved = (cells.mean(0, dtype=np.float64) - control.mean(0, dtype=np.float64) for cells in (real, predicted))
    # An unchanged control has no ranking
    is_same = np.allclose(moved, 0.0)
    common = (
        np.nan
        if is_same
        else metrics.top_k_overlap(
            *(t_statistics(cells, control) for cells in (real, predicted)), k=TOP, absolute=False
        )
    )
    return {
        "deg": float(common * TOP),
        "r2": metrics.mean_r2(real, predicted),
        "euclidean": np.nan if is_same else ratios["predicted"],
        "euclidean_real": ratios["real"],
        "pearson": float(metrics.pearson_delta(change, moved)),
        "error_ratio": float(np.linalg.norm(moved - change) / np.linalg.norm(change)),
    }


def initial(candidate: ModelSpec, n_cells: int) -> dict:
    """Settings of a network; the rate of the multi-task autoencoders is multiplied by the ratio of cells."""
    if not issubclass(candidate.model, scpi.model.MultiTaskAE):
        return dict(candidate.init)
    return candidate.init | {"lr": PRESETS[candidate.init["preset"]].lr * PUBLISHED_CELLS / n_cells}


def predict(name: str, model: str, seed: int, context: str) -> dict:
    screen, candidate = read(name), MODELS[model]
    adata = screen.adata
    split = splits.leave_context_out(
        adata, context_key=screen.context_key, contexts=context, reference_fraction=0.0, rng=seed
    )[0]
    strata = adata.obs[[screen.context_key, "perturbation"]].iloc[split.train].astype(str).agg(" ".join, axis=1)
    share = candidate.validation_size
    part = split_cells(
        np.unique(strata, return_inverse=True)[1],
        train_size=1.0 - share,
        validation_size=share,
        rng=np.random.default_rng(seed),
    )
    candidate.model.setup_anndata(adata, context_key=screen.context_key)
    init = initial(candidate, adata.n_obs) | ({"seed": seed} if model in NETWORKS else {})
    trained = candidate.model(adata, **init)
    start = time.perf_counter()
    indexing = [split.train[part.train], split.train[part.validation]]
    trained.train(seed=seed, datasplitter_kwargs={"external_indexing": indexing}, **candidate.train)
    seconds = time.perf_counter() - start
    predicted = trained.predict(
        perturbation="stim", context=context, indices=split.start, n_cells=len(split.start), rng=seed
    )
    real, control = (adata.X[cells].toarray() for cells in (split.test, split.start))
    found = score(real, np.asarray(predicted.X), control)
    epochs = max((len(values) for values in trained.history.values()), default=0) if model in NETWORKS else 0
    row = {"model": model, "split": context, "seed": seed, "seconds": seconds, "epochs": epochs} | found
    return {key: [value] for key, value in row.items()}


def collect(out) -> None:
    result: dict = {
        "published": [
            dict(zip(("model", *COLUMNS[:3]), (name, *values), strict=True)) for name, values in PUBLISHED.items()
        ]
    }
    for name, table in kept(out).groupby("data"):
        table = in_order(table, list(MODELS))
        means = table.groupby("model", sort=False)[[*COLUMNS, "epochs"]].mean()
        means.insert(0, "contexts", table.groupby("model", sort=False)["split"].nunique())
        result[name] = {
            "means": records(means.reset_index()),
            "each": records(table[["model", "split", "seed", *COLUMNS, "epochs"]]),
        }
        print(name, means.round(3).to_string(), sep="\n")
    store(out, result)


def main() -> None:
    arguments = parser(__doc__, models=list(MODELS), datasets=DATASETS)
    arguments.set_defaults(seeds=[0])
    args = arguments.parse_args()
    if args.collect:
        collect(args.out)
        return

    def work(name: str, model: str, seed: int, context: str) -> None:
        words = "".join(c if c.isalnum() else "-" for c in f"{model} {context} {seed}")
        path = args.out / name / f"{words}.json"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(predict(name, model, seed, context)) + "\n")

    tasks = [
        (name, model, seed, context)
        for model, name, seed in tasks_of(args.models, args.datasets, args.seeds)
        for context in sorted(read(name).adata.obs[read(name).context_key].astype(str).unique())
    ]
    run(tasks, work, part=args.part)


if __name__ == "__main__":
    main()
