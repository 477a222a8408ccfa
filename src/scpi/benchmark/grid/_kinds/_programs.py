"""Recovery of known gene programs by units of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi import metrics, tl
from scpi._keys import Key
from scpi._quiet import quiet_lightning
from scpi._slots import read_layer
from scpi.benchmark._run import Computed
from scpi.benchmark.grid._compute import cells_of, spec_of
from scpi.benchmark.grid._kinds._fit import fit

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._plan import Plan

# Mixed into predicted proportions, so that the likelihood stays finite for a gene predicted to be absent
_SMOOTHING = 1e-3


def compute(plan: Plan, task: GridTask, folder: Folder) -> Computed:
    """Agreement of units of the training cells with known programs, and log-likelihood per count of test cells.

    Activities of the programs are in ``obsm`` and weights of their genes in ``varm``, as written by
    :func:`scpi.datasets.gene_programs`. A model reads one half of the counts of test cells, and predicts the
    proportions of genes in the other half.
    """
    data, wanted, spec = plan.grid.data[task.data], list(plan.grid.metrics or ()), spec_of(plan, task)
    assert spec is not None
    adata, split = cells_of(plan, task, folder)
    for name, there in {"obsm": adata.obsm, "varm": adata.varm}.items():
        if Key.obsm.PROGRAMS not in there:
            msg = f"The task needs known programs in adata.{name}[{Key.obsm.PROGRAMS!r}], as `scpi.datasets.gene_programs` writes them."
            raise KeyError(msg)
    train, test = (adata[cells].copy() for cells in (split.train, split.test))
    if "loglik" in wanted and not test.n_obs:
        msg = f"The metric 'loglik' needs test cells, and the split {task.split!r} has none: give it a `test_size`, or leave out the metric."
        raise ValueError(msg)
    with quiet_lightning():
        found = fit(spec, train, layer=data.layer, seed=task.seed)
        units = np.asarray(found.model.get_latent_representation(), dtype=np.float64)
        row = _scores(train, units, _effects(train, found.model))
        if "loglik" in wanted:
            row["loglik"] = _loglik(found.model, test, data.layer, np.random.default_rng(task.seed))
    shared = {"model": task.model, "split": task.split, "seed": task.seed, Key.obs.N_CELLS: train.n_obs}
    table = pd.DataFrame([shared | {"seconds": found.seconds} | {name: float(row[name]) for name in wanted}])
    return Computed(table, None, found.n_parameters)


def _scores(adata: AnnData, units: NDArray[np.float64], effects: NDArray[np.float64]) -> dict[str, float]:
    truth, programs = (np.asarray(of[Key.obsm.PROGRAMS]) for of in (adata.obsm, adata.varm))
    found, information = metrics.association(units, truth), metrics.association(units, truth, how="smi")
    matching = metrics.match_units(found)
    return {
        "lms": metrics.lms(found),
        "msas": metrics.msas(found),
        "msgs": metrics.msgs(found),
        "lms_smi": metrics.lms(information),
        "mig": metrics.mig(units, truth),
        "auroc": float(metrics.program_auroc(effects, programs != 0, matching=matching).mean()),
    }


def _effects(adata: AnnData, model: Any) -> NDArray[np.float64]:
    """Effects of the units on the genes: loadings if the model has them, otherwise effects of its decoder."""
    if hasattr(model, "get_loadings"):
        try:
            return np.asarray(model.get_loadings(), dtype=np.float64)
        except TypeError:
            # Its decoder has hidden layers
            pass
    tl.saliency(adata, model, method="decoder_effect", key_added="effects")
    return np.asarray(adata.varm["effects"], dtype=np.float64)


def _loglik(model: Any, test: AnnData, layer: str | None, rng: np.random.Generator) -> float:
    """Log-likelihood per count of one half of the counts of cells, given the other."""
    counts = sparse.csr_matrix(read_layer(test, layer))
    read = counts.astype(np.float32)
    read.data = rng.binomial(counts.data.astype(np.int64), 0.5).astype(np.float32)
    kept = sparse.csr_matrix(counts - read)
    cells = test.copy()
    if layer is None:
        cells.X = read
    else:
        cells.layers[layer] = read
    predicted = np.asarray(model.get_normalized_expression(cells), dtype=np.float64)
    parts = predicted / predicted.sum(1, keepdims=True) * (1 - _SMOOTHING) + _SMOOTHING / predicted.shape[1]
    return float(kept.multiply(np.log(parts)).sum() / kept.sum())
