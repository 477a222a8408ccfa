"""Predictions of the benchmark of intervals, with what is measured of them."""

from __future__ import annotations

import functools
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from papalexi import load
from scipy import stats
from unseen_perturbations import FULL, SETS, read

import scpi
from scpi.benchmark import splits
from scpi.de import false_discovery_control

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Task = tuple[ad.AnnData, list[Any], dict[str, dict[str, Any]], str, dict[str, Any]]
FEATURES: dict[str, dict[str, Any]] = {"PerturbationGP": {"features_key": FULL}, "MeanDelta": {}}
FOLDER = Path(os.environ["SCPI_TEST_DATA"])


def profiles(name: str, seed: int) -> Task:
    """Single perturbations of a table of changes."""
    adata = read(name)
    adata = adata[~adata.obs["perturbation"].str.contains("+", regex=False)].copy()
    adata.obs["context"] = ""
    return adata, splits.leave_perturbations_out(adata, reference_fraction=0, rng=seed), FEATURES, "perturbations", {}


def papalexi(reference_fraction: float, seed: int) -> Task:
    """Cells, whose changes are measured against the controls of the training, or against half of them that is set aside."""
    adata = load()
    adata.obs["context"] = ""
    files = {source: FOLDER / file for source, file in SETS.items()}
    scpi.tl.perturbation_features(adata, gene_sets=files, key_added=FULL)
    return (
        adata,
        splits.leave_perturbations_out(adata, reference_fraction=reference_fraction, rng=seed),
        FEATURES,
        "perturbations",
        {},
    )


def kang(contexts: list[str], seed: int) -> Task:
    adata = ad.read_h5ad(FOLDER / "kang_muscat.h5ad")
    adata.obs["context"] = adata.obs[contexts].astype(str).agg(" ".join, axis=1)
    adata.obs["perturbation"] = adata.obs["condition"].map({"ctrl": "control", "stim": "interferon"}).astype(str)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    models: dict[str, dict[str, Any]] = {"WeightedDelta": {}, "MeanDelta": {}}
    left_out = splits.leave_context_out(adata, context_key="context", reference_fraction=0, rng=seed)
    return adata, left_out, models, "contexts", {"context_key": "context"}


def l1000(seed: int) -> Task:
    """Mean signatures of drugs in lines, and a control of zeros for each line."""
    adata = ad.read_h5ad(FOLDER / "l1000_3drugs_65lines_272sig.h5ad")
    keys = [adata.obs[key].astype(str).to_numpy() for key in ("cell_id", "pert_iname")]
    means = adata.to_df().groupby(keys).mean()
    lines = means.index.get_level_values(0).unique()
    zeros = pd.DataFrame(0.0, index=pd.MultiIndex.from_product([lines, ["control"]]), columns=means.columns)
    table = pd.concat([means, zeros])
    obs = pd.DataFrame({"context": table.index.get_level_values(0), "perturbation": table.index.get_level_values(1)})
    joined = ad.AnnData(table.to_numpy(np.float32), obs=obs.set_axis([f"row{i}" for i in range(len(obs))]))
    lines_alone = splits.leave_context_out(joined, context_key="context", reference_fraction=0, rng=seed)
    order = np.random.default_rng(seed).permutation(len(lines_alone))
    left_out = [together([lines_alone[place] for place in part]) for part in np.array_split(order, 5)]
    return joined, left_out, {"MeanDelta": {}}, "contexts", {"context_key": "context"}


def together(parts: list[splits.Split]) -> splits.Split:
    """What several splits leave out, left out at once."""
    train = functools.reduce(np.intersect1d, [part.train for part in parts])
    names = ("test", "start", "reference")
    return splits.Split(
        train=train, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


DATA: dict[str, Callable[[int], Task]] = {
    "norman2019": partial(profiles, "norman2019"),
    "wessels2023": partial(profiles, "wessels2023"),
    "papalexi2021": partial(papalexi, 0.0),
    "papalexi2021, other controls": partial(papalexi, 0.5),
    "kang2018": partial(kang, ["cell_type", "donor"]),
    "l1000": l1000,
    "kang2018, types": partial(kang, ["cell_type"]),
}


def rows_of(name: str, seed: int) -> list[dict[str, Any]]:
    """Every condition that was left out, by every model."""
    adata, left_out, models, over, setup = DATA[name](seed)
    rows = []
    for split in left_out:
        for model_name, own in models.items():
            cls = getattr(scpi.model, model_name)
            cls.setup_anndata(adata, **setup, **own)
            model, rest = cls(adata), np.setdiff1d(np.arange(adata.n_obs), split.train)
            start = time.process_time()
            model.train(datasplitter_kwargs={"external_indexing": [split.train, rest[:0], rest]})
            trained = time.process_time()
            model.calibrate(over)
            seconds = {"training": trained - start, "calibration": time.process_time() - trained}
            keys = {"data": name, "model": model_name, "seed": seed} | seconds
            rows += [keys | row_of(adata, split, model, *condition) for condition in conditions(adata, split)]
    return rows


def conditions(adata: ad.AnnData, split: Any) -> list[tuple[str, str]]:
    return sorted(set(adata.obs.iloc[split.test][["perturbation", "context"]].itertuples(index=False, name=None)))


def row_of(adata: ad.AnnData, split: Any, model: Any, label: str, context: str) -> dict[str, Any]:
    """What is predicted and measured of a condition, and how it was covered."""
    x, there = adata.X, (adata.obs["context"] == context).to_numpy()
    start, reference = (cells[there[cells]] for cells in (split.start, split.reference))
    cells = split.test[there[split.test] & (adata.obs["perturbation"] == label).to_numpy()[split.test]]
    real = np.asarray(x[cells].mean(0)).ravel() - np.asarray(x[reference].mean(0)).ravel()
    asked = {"perturbation": label, "context": context or None, "indices": start}
    scpi.tl.predict_perturbation(adata, model, **asked)
    scpi.tl.predicted_hits(adata, model)
    change, hits = adata.varm["predicted_change"][:, 0], adata.varm["predicted_hits"][:, 0] <= 0.05
    row: dict[str, Any] = {
        "label": f"{label} {context}",
        "size": np.square(real).mean(),
        "predicted_size": np.square(change, dtype=float).mean(),
        "pearson": np.corrcoef(real, change)[0, 1] if change.std() else np.nan,
        "confidence": adata.uns["predicted_hits"]["conditions"]["confidence"].iloc[0],
        "hits": hits.sum(),
        "wrong": (hits & (real * change < 0)).sum(),
    }
    if len(cells) > 3:
        found = significant(x[cells], x[reference])
        row |= {"found": found.sum(), "right": (hits & found & (real * change > 0)).sum()}
        row |= replicate(x[cells], x[reference])
    try:
        predicted = model.predict(**asked, n_cells=len(start), output="mean", interval=0.9)
    except ValueError as error:
        return row | {"status": str(error)}
    low, high = (np.asarray(predicted.layers[end][0]) for end in ("lower", "upper"))
    covered = {"coverage": ((low <= real) & (real <= high)).mean(), "width": (high - low).mean() / 2}
    return row | covered | {"status": str(predicted.obs["status"].iloc[0])}


def z_values(treated: Any, control: Any) -> NDArray[np.float64]:
    """Change of the mean of cells by its standard error."""
    one, other = (np.asarray(cells.toarray(), dtype=np.float64) for cells in (treated, control))
    error = np.sqrt(one.var(0, ddof=1) / len(one) + other.var(0, ddof=1) / len(other))
    change = one.mean(0) - other.mean(0)
    return np.divide(change, error, out=np.zeros_like(change), where=error > 0)


def significant(treated: Any, control: Any) -> NDArray[np.bool_]:
    """Genes that change at a false discovery rate of .05."""
    return np.asarray(false_discovery_control(2 * stats.norm.sf(np.abs(z_values(treated, control)))) <= 0.05)


def replicate(treated: Any, control: Any) -> dict[str, int]:
    """Hits of one half of the cells, in the other half."""
    rng = np.random.default_rng(0)
    treated_halves, control_halves = (np.array_split(rng.permutation(x.shape[0]), 2) for x in (treated, control))
    halves = [(treated[one], control[other]) for one, other in zip(treated_halves, control_halves, strict=True)]
    (first, hits), (second, found) = ((z_values(*half), significant(*half)) for half in halves)
    counts = {"hits": hits, "wrong": hits & (first * second < 0), "found": found}
    return {
        f"replicate_{key}": int(value.sum())
        for key, value in (counts | {"right": hits & found & (first * second > 0)}).items()
    }
