"""Single units of models without labels against the cell types and conditions of real cells.

Four sets of counts with labels of their sources: blood cells (types), blood cells with and without interferon (types;
condition), blood progenitors (lineages), and mixed cell lines (lines). Every method gets 90 % of the cells, the 2,000
most variable genes, and as many units as GeneProgramAE has by default. For each label, the unit that separates its
cells best from the others is chosen on one half of the cells, and its AUROC is that of the other half. Units without a
sign have to be higher in the cells of the label; signed ones may be lower. All units together are compared by the
accuracy of 15 nearest neighbours over five folds. Nothing was chosen on these data: ``--development`` runs on others.

Rivals that are not installed are left out, and what they gave earlier is kept. cNMF and DRVI are run by interpreters
that have them (``--only cNMF``). One result per task; an interrupted run resumes where it stopped::

    SCPI_TEST_DATA=... python benchmarks/unit_labels.py --out benchmarks/results/unit_labels
"""

from __future__ import annotations

import argparse
import os
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from _quiet import one_quiet_thread
from _results import Tasks, store
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import scpi
from scpi.benchmark.references import Factors
from scpi.tl._impact._unit_labels import label_auroc

if TYPE_CHECKING:
    from collections.abc import Callable


class Question(NamedTuple):
    """A column of labels; with ``within``, cells are compared with others of the same value of that column."""

    name: str
    column: str
    label: str | None = None
    within: str | None = None
    one_unit: bool = False


def condition(column: str, label: str, within: str | None, what: str = "") -> list[Question]:
    asked = [Question(f"{label}, all cells", column, label)]
    if within is not None:
        asked.append(Question(f"{label}, within {what}", column, label, within))
        asked.append(Question(f"{label}, one unit within all {what}", column, label, within, one_unit=True))
    return asked


DATA = {
    "pbmc3k_labelled": [Question("types", "cell_type")],
    "kang_muscat": [Question("types", "cell_type"), *condition("condition", "stim", "cell_type", "types")],
    "paul15": [Question("types", "cell_type")],
    "mixology_sc_celseq2_5cl": [Question("lines", "cell_line_demuxlet")],
}
DEVELOPMENT = {
    "gbm_panobinostat_zhao2021_300genes": condition("condition", "panobinostat", "patient_id", "patients"),
    "mixology_sc_dropseq_3cl": [Question("lines", "cell_line_demuxlet")],
    "scifi_cropseq_jurkat_datlinger2021": condition("perturbation_2", "stimulated", None),
}
OWN = "GeneProgramAE"
SEEDS = range(5)
# Of cNMF, whose default of 100 factorisations takes five times as long
N_FACTORISATIONS, DENSITY = 20, 0.5
FRACTION, N_GENES, LEAST_CELLS, N_NEIGHBOURS, N_COMPONENTS = 0.9, 2000, 3, 15, 30


def cells(name: str, seed: int) -> ad.AnnData:
    """Counts of some of the cells, and the genes that vary most among them."""
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{name}.h5ad")
    rng = np.random.default_rng(seed)
    adata = adata[np.sort(rng.choice(adata.n_obs, int(FRACTION * adata.n_obs), replace=False))].copy()
    sc.pp.filter_genes(adata, min_cells=LEAST_CELLS)
    if "spike_in" in adata.var:
        adata = adata[:, ~adata.var["spike_in"].to_numpy(bool)].copy()
    if adata.n_vars > N_GENES:
        logs = sc.pp.log1p(sc.pp.normalize_total(adata, copy=True), copy=True)
        sc.pp.highly_variable_genes(logs, n_top_genes=N_GENES)
        adata = adata[:, logs.var["highly_variable"]].copy()
    adata = adata[np.asarray(adata.X.sum(1)).ravel() > 0]
    return ad.AnnData(adata.X.astype(np.float32), obs=adata.obs.copy(), var=adata.var[[]].copy())


def of_own(adata: ad.AnnData, n_units: int, seed: int) -> np.ndarray:
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, seed=seed)
    model.train(accelerator="cpu", enable_progress_bar=False, seed=seed)
    return model.get_latent_representation()


def of_factors(kind: str, adata: ad.AnnData, n_units: int, seed: int) -> np.ndarray:
    model = Factors(adata, kind=kind, n_units=n_units, seed=seed)
    model.train()
    return model.get_latent_representation()


def of_scvi(cls, adata: ad.AnnData, n_units: int, seed: int) -> np.ndarray:
    import scvi

    scvi.settings.seed = seed
    cls.setup_anndata(adata)
    model = cls(adata, n_latent=n_units)
    model.train(accelerator="cpu", enable_progress_bar=False, early_stopping=True)
    return model.get_latent_representation()


def of_linear_scvi(adata: ad.AnnData, n_units: int, seed: int) -> np.ndarray:
    from scvi.model import LinearSCVI

    return of_scvi(LinearSCVI, adata, n_units, seed)


def of_drvi(adata: ad.AnnData, n_units: int, seed: int) -> np.ndarray:
    from scvi.external import DRVI

    return of_scvi(DRVI, adata, n_units, seed)


def of_cnmf(adata: ad.AnnData, n_units: int, seed: int) -> np.ndarray:
    """Usages of the consensus of several factorisations, which sum to 1, by the package of its authors."""
    from cnmf import cNMF

    with TemporaryDirectory() as folder:
        adata.write_h5ad(Path(folder) / "counts.h5ad")
        model = cNMF(output_dir=folder, name="cells")
        model.prepare(
            str(Path(folder) / "counts.h5ad"),
            [n_units],
            n_iter=N_FACTORISATIONS,
            seed=seed,
            num_highvar_genes=adata.n_vars,
        )
        model.factorize()
        model.combine()
        model.consensus(n_units, density_threshold=DENSITY, show_clustering=False, build_ref=False)
        usages = model.load_results(n_units, DENSITY)[0]
    # Names of cells that are numbers come back as numbers
    return usages.set_axis(usages.index.astype(str)).loc[adata.obs_names].to_numpy()


def has(module: str) -> bool:
    """Whether a module is installed."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


class Method(NamedTuple):
    units: Callable[[ad.AnnData, int, int], np.ndarray]
    signed: bool
    needs: str = "scpi"


METHODS = {
    OWN: Method(of_own, signed=False),
    "NMF": Method(lambda *given: of_factors("nmf", *given), signed=False),
    "LinearSCVI": Method(of_linear_scvi, signed=True),
    "cNMF": Method(of_cnmf, signed=False, needs="cnmf"),
    "DRVI": Method(of_drvi, signed=True, needs="scvi.external.drvi"),
    "PCA": Method(lambda adata, n_units, seed: of_factors("pca", adata, N_COMPONENTS, seed), signed=True),
}


def chosen_auroc(units: np.ndarray, comparisons: list[tuple[np.ndarray, np.ndarray]], strata: np.ndarray) -> float:
    """AUROC of the unit that is best on the other half of the cells, in the mean over comparisons of marked cells."""

    def areas(units: np.ndarray, part: np.ndarray) -> np.ndarray:
        inside = np.isin(np.arange(len(strata)), part)
        of_each = [
            label_auroc(units[here & inside], marked[here & inside].astype(np.intp), 2)[:, 1]
            for here, marked in comparisons
        ]
        return np.mean(of_each, axis=0)

    halves = [part for _, part in StratifiedKFold(2, shuffle=True, random_state=0).split(units, strata)]
    pairs = [halves, halves[::-1]]
    return float(np.mean([areas(units, second)[np.argmax(areas(units, first))] for first, second in pairs]))


def answer(question: Question, obs: pd.DataFrame, units: np.ndarray) -> dict[str, float]:
    """AUROC of the best unit, by label or by the value within which cells are compared."""
    values = obs[question.column].astype(str).to_numpy()
    everywhere = np.ones(len(obs), dtype=bool)
    if question.within is None:
        labels = [question.label] if question.label else sorted(set(values))
        return {label: chosen_auroc(units, [(everywhere, values == label)], values) for label in labels}
    places = obs[question.within].astype(str).to_numpy()
    strata = np.char.add(np.char.add(places.astype(str), "|"), values.astype(str))
    comparisons = {place: (places == place, values == question.label) for place in sorted(set(places))}
    if question.one_unit:
        return {"all": chosen_auroc(units, list(comparisons.values()), strata)}
    return {place: chosen_auroc(units, [one], strata) for place, one in comparisons.items()}


def neighbours(obs: pd.DataFrame, column: str, units: np.ndarray) -> float:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(KNeighborsClassifier(N_NEIGHBOURS), units, obs[column].astype(str), cv=folds).mean())


def run(name: str, method: Method, n_units: int, seed: int, questions: list[Question]) -> dict:
    adata = cells(name, seed)
    obs, start = adata.obs.copy(), time.process_time()
    units = np.asarray(method.units(adata, n_units, seed), dtype=np.float64)
    seconds = time.process_time() - start
    both = np.hstack([units, -units]) if method.signed else units
    of_questions = {question.name: answer(question, obs, both) for question in questions}
    columns = dict.fromkeys(question.column for question in questions)
    return {
        "auroc": {name: {label: round(value, 4) for label, value in of.items()} for name, of in of_questions.items()},
        "accuracy": {column: round(neighbours(obs, column, units), 4) for column in columns},
        "n_units": units.shape[1],
        "cpu_seconds": round(seconds, 1),
    }


def interval(values: np.ndarray) -> dict[str, float]:
    """Mean and 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"mean": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def collect(tasks: Tasks, n_units: int) -> dict:
    """Means over labels and seeds, and differences from GeneProgramAE that are paired over sets of cells and seeds."""
    table = pd.DataFrame(
        {"data": data, "method": method, "seed": int(seed), "kind": kind, "question": question, "value": value}
        | {"cpu_seconds": found["cpu_seconds"]}
        for name, found in tasks.items()
        for data, method, size, seed in (name.split(", "),)
        if size == f"{n_units} units"
        for kind in ("auroc", "accuracy")
        for question, of in found[kind].items()
        for value in (np.mean(list(of.values())) if kind == "auroc" else of,)
    )
    keys = ["data", "kind", "question"]
    means = table.groupby([*keys, "method"])["value"].agg(["mean", "std", "size"]).round(4).reset_index()
    paired = []
    for kind, of_kind in table.groupby("kind"):
        wide = of_kind.groupby(["data", "seed", "method"])["value"].mean().unstack("method")
        for method in wide.columns.drop(OWN, errors="ignore") if OWN in wide else ():
            difference = (wide[OWN] - wide[method]).dropna()
            paired.append({"kind": kind, "method": method, "n": len(difference), "ahead": int((difference > 0).sum())})
            paired[-1] |= interval(difference.to_numpy())
    seconds = table.groupby(["data", "method"])["cpu_seconds"].mean().round(1).reset_index()
    return {
        "n_units": n_units,
        "means": means.to_dict("records"),
        "paired": paired,
        "cpu_seconds": seconds.to_dict("records"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--development", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument(
        "--again", nargs="+", choices=list(METHODS), default=(), help="run these even if there are results"
    )
    args = parser.parse_args()
    one_quiet_thread()
    scpi.settings.verbosity = "warning"
    data, tasks = DEVELOPMENT if args.development else DATA, Tasks(args.out)
    small = scpi.datasets.gene_programs(20, 50, 2, n_genes_per_program=10)
    scpi.model.GeneProgramAE.setup_anndata(small)
    n_units = len(scpi.model.GeneProgramAE(small).units_)
    for seed in args.seeds:
        for name, questions in data.items():
            for label in args.only:
                method, task = METHODS[label], f"{name}, {label}, {n_units} units, {seed}"
                if has(method.needs) and (label in args.again or task not in tasks):
                    tasks.add(task, run(name, method, n_units, seed, questions))
    store(args.out, collect(tasks, n_units))


if __name__ == "__main__":
    main()
