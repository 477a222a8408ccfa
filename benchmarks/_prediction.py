"""Data, models, tasks and summaries shared by the benchmarks of perturbation prediction."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from _quiet import one_quiet_thread
from scipy import sparse

import scpi
from scpi.benchmark import ModelSpec, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

N_GENES = 2000
CEILING = "split-half ceiling"
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}


def network(
    name: str,
    *,
    layer: str | None = None,
    validation_size: float = 0.0,
    train: Mapping[str, Any] | None = None,
    **init: Any,
) -> ModelSpec:
    """Network of scpi by the name of its class."""
    model = getattr(scpi.model, name)
    return ModelSpec(
        model=model, layer=layer, init=init, train=QUIET | dict(train or {}), validation_size=validation_size
    )


def baselines(*names: str) -> dict[str, ModelSpec]:
    return {name: ModelSpec(model=getattr(scpi.model, name)) for name in names}


class Screen(NamedTuple):
    """Log-normalised cells with labels in ``obs["perturbation"]``, and the column of their contexts."""

    adata: ad.AnnData
    context_key: str


def _logged(adata: ad.AnnData) -> ad.AnnData:
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    labels = adata.obs["condition"].astype(str)
    adata.obs["perturbation"] = labels.replace({"ctrl": "control"})
    return adata


def planted_species(seed: int = 0) -> ad.AnnData:
    """Counts of cells of four species with and without a stimulus, whose genes have levels of their own.

    Of 1,000 genes, 150 respond: their log fold changes are those of all species (standard deviation 1) and a part of
    each species (0.4), twice as large in one of them. The log level of a gene differs between species (0.8).
    """
    rng = np.random.default_rng(seed)
    n_genes, n_cells, responds = 1_000, 300, np.arange(1_000) < 150
    level, shared = rng.normal(-1.0, 1.3, n_genes), rng.normal(0.0, 1.0, n_genes) * responds
    blocks, rows = [], []
    for species, size in {"mouse": 1.0, "pig": 1.0, "rabbit": 0.7, "rat": 2.0}.items():
        own = level + rng.normal(0.0, 0.8, n_genes)
        change = size * (shared + rng.normal(0.0, 0.4, n_genes) * responds)
        for condition in ("ctrl", "LPS"):
            rate = np.exp(own + change * (condition == "LPS"))
            depth = rng.lognormal(np.log(1_500), 0.4, n_cells)[:, None]
            blocks.append(rng.poisson(rng.gamma(2.0, 0.5, (n_cells, n_genes)) * depth * rate / rate.sum()))
            rows += [{"species": species, "condition": condition}] * n_cells
    obs = pd.DataFrame(rows, index=[f"cell{i}" for i in range(len(rows))])
    found = ad.AnnData(sparse.csr_matrix(np.vstack(blocks), dtype=np.float32), obs=obs)
    found.var_names = [f"gene{i}" for i in range(n_genes)]
    return found


@functools.cache
def read(name: str) -> Screen:
    """Read a data set: kang_harmony (2,000 most variable genes), kang_muscat, gbm or sciplex, or plant species."""
    if name == "species":
        return Screen(_logged(planted_species()), "species")
    files = {"gbm": "gbm_panobinostat_zhao2021_300genes", "sciplex": "sciplex_a549_dex_8doses_198genes"}
    contexts = {"kang_harmony": "cell_type_pred", "gbm": "patient_id"}
    adata = _logged(ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{files.get(name, name)}.h5ad"))
    if adata.n_vars > N_GENES:
        sc.pp.highly_variable_genes(adata, n_top_genes=N_GENES)
        adata = adata[:, adata.var["highly_variable"]].copy()
    return Screen(adata, contexts.get(name, "cell_type"))


def parser(doc: str | None, *, models: Sequence[str], datasets: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Parser with the arguments that all of these benchmarks share."""
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--out", type=Path, required=True)
    found.add_argument("--models", nargs="+", default=list(models), choices=list(models))
    if datasets:
        found.add_argument("--datasets", nargs="+", default=list(datasets), choices=list(datasets))
    found.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    found.add_argument("--part", default="0/1", help="which part of the tasks, such as 0/2 and 1/2")
    found.add_argument("--collect", action="store_true", help="collect existing results without training")
    return found


def part_of(tasks: Sequence[Any], part: str) -> Sequence[Any]:
    first, step = map(int, part.split("/"))
    return tasks[first::step]


def run(
    tasks: Sequence[tuple[Any, ...]],
    work: Callable[..., None],
    *,
    part: str = "0/1",
) -> None:
    """Run a part of the tasks one after the other, and report the time of each."""
    one_quiet_thread()
    chosen = part_of(tasks, part)
    for number, task in enumerate(chosen, start=1):
        start = time.perf_counter()
        work(*task)
        print(f"{number}/{len(chosen)} {' '.join(map(str, task))}: {time.perf_counter() - start:.0f} s", flush=True)


def evaluated(
    screen: Screen,
    models: Mapping[str, ModelSpec],
    split: Any,
    *,
    seed: int,
    out: Path | None,
    context_key: str | None,
    dose_key: str | None = None,
) -> pd.DataFrame:
    """Scores of models on one split with one seed, stored in one file each if a folder is given."""
    return evaluate(
        screen.adata,
        models,
        [split],
        context_key=context_key,
        dose_key=dose_key,
        seeds=[seed],
        n_cells=1000,
        # Once per split: no model has a part in it
        ceiling="NoChange" in models,
        out=out,
        progress=False,
    )


def kept(out: Path) -> pd.DataFrame:
    """All scores: of the table ``out.csv``, and of the files in the folder ``out``, which replace and join those of the table.

    A folder inside of it is a data set, in the column "data".
    """
    path = out.with_suffix(".csv")
    tables = [pd.read_csv(path)] if path.is_file() else []
    for file in sorted(out.rglob("*.json")):
        content = json.loads(file.read_text())
        table = pd.DataFrame(content.get("scores", content))
        tables.append(table if file.parent == out else table.assign(data=file.parent.name))
    if not tables:
        raise SystemExit(f"There are no results in {out}.")
    found = pd.concat(tables, ignore_index=True)
    keys = [name for name in ("data", "model", "split", "seed", "context", "perturbation", "dose") if name in found]
    found = found.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True)
    found.to_csv(path, index=False)
    return found


def in_order(table: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Rows of those models that are in the table, in the given order."""
    place = {name: position for position, name in enumerate(models)}
    known = table[table["model"].isin(models)]
    return known.sort_values(["model"], key=lambda column: column.map(place), kind="stable").reset_index(drop=True)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON: four significant digits, and null for missing numbers."""
    return [{key: tidy(value) for key, value in row.items()} for row in table.to_dict("records")]


def tidy(value: Any) -> Any:
    if isinstance(value, np.bool_ | bool):
        return bool(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.4g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def context_tasks(args: argparse.Namespace) -> list[tuple[str, str, int, str]]:
    """Every data set, model and seed of the arguments, with every context of the data set."""
    return [
        (name, model, seed, context)
        for name, model, seed in tasks_of(args.datasets, args.models, args.seeds)
        for context in sorted(read(name).adata.obs[read(name).context_key].astype(str).unique())
    ]


def tasks_of(*axes: Sequence[Any]) -> list[tuple[Any, ...]]:
    return list(itertools.product(*axes))
