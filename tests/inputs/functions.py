"""Calls of all public functions of annotated data, made from their signatures, and of all models."""

from __future__ import annotations

import inspect
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

import scpi
from scpi.model.base import ScreenModel
from scpi.screen import PseudobulkResult, ScreenResult

if TYPE_CHECKING:
    from collections.abc import Callable

N_CELLS, N_GENES = 96, 30
ROOMS = ("tl", "de", "benchmark", "benchmark.splits", "design", "screen")
CLUSTERS = {"max_cluster_epochs": 1}
QUIET = {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False}
CLUSTERING = ("ContrastiveSC", "SCDeepCluster", "SCZIDesk")
# Models that predict tables rather than cells, with the columns that they read
TABLES: dict[str, dict[str, Any]] = {
    "CompositionModel": {"categorical_covariate_keys": ["cell_type", "perturbation", "sample"]},
    "ConditionModel": {"perturbation_key": "perturbation", "context_key": "cell_type"},
}
SCREEN = {"perturbation_key": "perturbation", "control": "control"}

# Values of the arguments that have no default, by their names, so that a new function is called without a word here
ARGUMENTS: dict[str, Any] = {
    "groupby": "group",
    "sample_key": "sample",
    "reference": "b",
    "sets": {"first/1": [f"g{i}" for i in range(8)], "second: =é": [f"g{i}" for i in range(8, 16)]},
    "perturbation": "A",
    "target": "a",
    "context_key": "cell_type",
    "dose_key": "dose",
    "guide_key": "sample",
    "genes": "g0",
    "models": {"mean change": scpi.model.MeanDelta},
}
# What a call needs besides: small sizes, and choices that read the expression
OPTIONS: dict[str, dict[str, Any]] = {
    "benchmark.evaluate": {"seeds": 0, "progress": False, "metrics": ["pearson", "error_ratio"]},
    "benchmark.gaming_suite": {"ways": "scaled change", "metrics": ["pearson", "error_ratio"], "n_bootstrap": 20},
    "benchmark.noise_ceiling": {"n_splits": 2, "metrics": ["pearson", "error_ratio"]},
    "benchmark.splits.leave_combinations_out": {"n_splits": 1},
    "benchmark.splits.leave_conditions_out": {"n_splits": 2},
    "benchmark.splits.leave_perturbations_out": {"perturbations": "B"},
    "de.limma": {"groupby": "group", "reference": "b", "sample_key": "sample", "min_cells": 1},
    "de.pseudobulk": {"min_cells": 1},
    "de.rank_genes": {"groupby": "group"},
    "de.thin_counts": {"rng": 0},
    "design.minimal_effect": {"reference": "control", "n_cells": 10, "n_simulations": 1, "progress": False},
    "design.power": {"reference": "control", "n_cells": 10, "n_simulations": 1, "progress": False},
    "screen.run_screen": {"max_epochs": 1, "min_size": 1, "train_kwargs": {"accelerator": "cpu"}},
    "tl.cluster": {"n_clusters": 2, "train_kwargs": QUIET | CLUSTERS},
    "tl.differential_activity": {"perturbation_key": "group", "control": "b"},
    "tl.explain_prediction": {"min_size": 2, "n_null": 20},
    "tl.gene_set_impact": {"min_size": 2, "n_permutations": 10},
    "tl.guide_agreement": {"min_cells": 4},
    "tl.impact_contrast": {"min_size": 2, "min_cells": 2, "n_bootstrap": 10, "n_cells": 10},
    "tl.perturbation_effect": {"n_permutations": 50},
    "tl.perturbation_similarity": {"perturbation_key": "group", "control": "b"},
    "tl.rank_genes_gradients": {"groupby": "group"},
    "tl.rank_genes_permutation": {"n_repeats": 1},
    "tl.rank_genes_shap": {"n_trees": 10},
}
# Functions of counts: what is given is the layer of counts, and otherwise X
READS_COUNTS = {"de.limma", "de.pseudobulk", "de.thin_counts", "design.minimal_effect", "design.power", "tl.cluster"}


def data() -> ad.AnnData:
    """Log-normalised cells with counts in a layer, three groups, four samples, and a screen of two perturbations."""
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b", "c"], N_CELLS // 3)
    rate = np.tile(rng.uniform(1.0, 4.0, N_GENES), (N_CELLS, 1))
    rate[group == "a", :8] *= 3
    rate[group == "c", 8:16] *= 3
    counts = rng.poisson(rate).astype(np.float32)
    logs = np.log1p(counts / counts.sum(1, keepdims=True) * 50)
    adata = ad.AnnData(sparse.csr_matrix(logs), layers={"counts": sparse.csr_matrix(counts)})
    adata.var_names = [f"g{i}" for i in range(N_GENES)]
    adata.obs_names = [f"cell{i}" for i in range(N_CELLS)]
    adata.obs["group"] = pd.Categorical(group)
    adata.obs["sample"] = [f"s{i % 4}" for i in range(N_CELLS)]
    adata.obs["cell_type"] = np.tile(["T", "B"], N_CELLS // 2)
    adata.obs["perturbation"] = np.tile(["control", "control", "A", "A", "B", "A+B"], N_CELLS // 6)
    adata.obs["dose"] = np.tile([0.0, 0, 1, 10, 10, 1, 0, 0, 100, 10, 1, 10], N_CELLS // 12)
    adata.varm["gene_sets"] = np.arange(N_GENES)[:, None] // 8 == np.arange(3)
    adata.uns["gene_sets"] = {"names": np.array(["first/1", "second: =é", "third"], dtype=object)}
    return adata


def tools() -> dict[str, Callable[..., Any]]:
    """Public functions whose first argument is annotated data."""
    found = {}
    for room in ROOMS:
        namespace = attrgetter(room)(scpi)
        for name in namespace.__all__:
            function = getattr(namespace, name)
            if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") in (
                "data",
                "adata",
            ):
                found[f"{room}.{name}"] = function
    return found


def models() -> list[str]:
    """Names of the public models."""
    return sorted(name for name in scpi.model.__all__ if isinstance(getattr(scpi.model, name), type))


def generators() -> list[str]:
    """Names of the calls of models that generate cells."""
    return [f"{name}.generate" for name in models() if hasattr(getattr(scpi.model, name), "generate")]


def trained(name: str, adata: ad.AnnData, layer: str | None, **more: Any) -> Any:
    """A model of this name, with more arguments, that is set up on the data and trained for one epoch."""
    cls = getattr(scpi.model, name)
    options: dict[str, Any] = dict(SCREEN) if issubclass(cls, ScreenModel) else {}
    if name in ("GeneProgramAE", "SENAVAE"):
        options["gene_sets_key"] = "gene_sets"
    elif options:
        options["context_key"] = "cell_type"
    cls.setup_anndata(adata, layer=layer, **options, **TABLES.get(name, {}))
    # To find the number of clusters takes longer than all else
    known = {"GeneProgramAE": {"mask": "soft"}, "DGD": {"n_latent": 4, "n_components": 3}} | dict.fromkeys(
        CLUSTERING, {"n_clusters": 3}
    )
    model = cls(adata, **known.get(name, {}), **more)
    model.train(**(QUIET | (CLUSTERS if name in CLUSTERING else {})))
    return model


def layer_of(name: str) -> str | None:
    """The layer that a model or function reads."""
    cls = getattr(scpi.model, name.removesuffix(".generate"), None)
    reads_counts = name in READS_COUNTS or (cls is not None and not getattr(cls, "_reads_logs", False))
    return "counts" if reads_counts and name not in ("MultiTaskAE", "SENAVAE") else None


class Call:
    """A call of a function, or of a model, on some data; what it needs beforehand is done when it is made.

    Models that a function needs are trained on ``few`` cells, if these are given.
    """

    def __init__(self, name: str, adata: ad.AnnData, *, few: ad.AnnData | None = None) -> None:
        self.name, self.adata, self.few = name, adata, adata if few is None else few
        if name in generators():
            self.run = self._of_generator()
        else:
            self.run = self._of_model() if name in models() else self._of_tool()

    def __call__(self, **options: Any) -> Any:
        return self.run(**options)

    def _of_model(self) -> Callable[[], Any]:
        def numbers(**options: Any) -> Any:
            model = trained(self.name, self.adata, layer_of(self.name))
            if isinstance(model, ScreenModel):
                return model.predict(**({"perturbation": ["A", "A+B"], "n_cells": 6} | options))
            return model.predict() if self.name in TABLES else model.get_latent_representation()

        return numbers

    def _of_generator(self) -> Callable[[], Any]:
        name = self.name.removesuffix(".generate")
        is_screen = issubclass(getattr(scpi.model, name), ScreenModel)

        def numbers(**options: Any) -> Any:
            model = trained(name, self.adata, "counts", **({"likelihood": "nb"} if is_screen else {}))
            plan = pd.DataFrame(
                {column: ["A", "A+B"] for column in ("perturbation",) if is_screen} | {"n_cells": [6, 6]}
            )
            if name == "MultiTaskAE":
                plan["cell_type"] = "T"
            return model.generate(plan, **options)

        return numbers

    def _of_tool(self) -> Callable[[], Any]:
        name, adata = self.name, self.adata
        function = tools()[name]
        _, *rest = inspect.signature(function).parameters.values()
        required = (p.name for p in rest if p.default is p.empty and p.kind is not p.VAR_KEYWORD)
        options = {argument: ARGUMENTS[argument] for argument in required if argument in ARGUMENTS}
        options |= OPTIONS.get(name, {})
        if layer_of(name) and any(p.name == "layer" for p in rest):
            options["layer"] = layer_of(name)
        if name == "tl.score_prediction":
            # Rounding decides on single draws, and they on the signs of small changes
            model = trained("MeanDelta", self.few, None)
            real, adata = adata, model.predict(perturbation=["A", "A+B"], output="mean")
            options |= {"real": real}
        else:
            options |= self._needs()

        def numbers(**more: Any) -> Any:
            result = function(adata, **(options | more))
            if isinstance(result, ScreenResult):
                return {"scores": result.scores, "predicted": result.predicted}
            if isinstance(result, PseudobulkResult):
                return {"scores": result.scores}
            return adata.uns if result is None else result

        return numbers

    def _needs(self) -> dict[str, Any]:
        """What a function needs beforehand, written or as an argument."""
        name, adata, few = self.name, self.adata, self.few
        if name in ("benchmark.audit_leaks", "benchmark.evaluate", "benchmark.gaming_suite", "benchmark.noise_ceiling"):
            return {"splits": scpi.benchmark.splits.random_cells(few, n_splits=1)}
        if name == "benchmark.op3_conditions":
            tests = {"reference": "control", "split_by": "cell_type", "sample_key": "sample", "min_cells": 1}
            scpi.de.limma(adata, "perturbation", layer="counts", filter_genes=False, **tests)
        if name == "tl.causal_graph":
            return {"model": trained("SENAVAE", few, None)}
        if name == "tl.explain_prediction":
            return {"model": trained("PerturbationGP", few, None)}
        if name == "tl.predict_perturbation":
            return {"model": trained("WeightedDelta", few, None)}
        if name == "tl.predicted_hits":
            model = trained("MeanDelta", few, None)
            model.calibrate()
            scpi.tl.predict_perturbation(adata, model, "A")
            return {"model": model}
        if name in ("tl.saliency", "tl.impact_contrast"):
            return {"model": trained("GeneProgramAE", few, "counts")}
        if name == "tl.consensus_programs":
            return {"runs": [trained("GeneProgramAE", few, "counts") for _ in range(2)]}
        if name in ("tl.enrichment", "de.fitted_comparisons", "de.sample_expression"):
            Call("de.limma", adata)()
        if name == "tl.differential_activity":
            scpi.tl.pathway_activity(adata)
        if name in ("tl.gene_set_impact", "tl.annotate_units"):
            scpi.tl.saliency(adata, trained("GeneProgramAE", few, "counts"))
        if name == "tl.annotate_units":
            scpi.tl.gene_set_impact(adata, **OPTIONS["tl.gene_set_impact"])
        return {}
